#include "plan_type.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "cpu.hpp"
#include "methods.hpp"

namespace structmat {
namespace {

// Convolution in one of the two precisions; the other pointer is null.
struct PlanObject {
  PyObject base;
  Vectors vectors;
  int root;
  const char* isa;
  std::unique_ptr<const Plan<float>> in_float;
  std::unique_ptr<const Plan<double>> in_double;
};

PlanObject& as_plan(PyObject* self) { return *reinterpret_cast<PlanObject*>(self); }

// Calls `method`, which takes Plan<float> or Plan<double>.
template <class Method>
auto dispatch(const PlanObject& plan, const Method& method) {
  return plan.in_float != nullptr ? method(*plan.in_float) : method(*plan.in_double);
}

// -- construction

void check_size(const PlanSize& size) {
  if (size.root != 1 && size.root != -1) {
    fail(PyExc_ValueError, "Plan: root is %d, expected 1 or -1", size.root);
  }
  if (size.p < 1 || size.q < 1) {
    fail(PyExc_ValueError, "Plan: p and q are %zd and %zd, expected positive integers", size.p,
         size.q);
  }
  // Tables, tapes and spectra have less than 64 bytes for each entry of the blocks' columns.
  constexpr Index most = PY_SSIZE_T_MAX / 64;
  if (size.p > most / size.q || size.n > most / (size.p * size.q)) {
    fail(PyExc_ValueError, "Plan: %zd x %zd blocks of length %zd are more than fit into memory",
         size.p, size.q, size.n);
  }
  if (size.n >= 1 && is_supported(size)) return;
  const bool is_real_skew = size.root == -1 && !size.is_complex;
  fail(PyExc_ValueError, "Plan: n is %zd, expected %s without prime factors over 7", size.n,
       is_real_skew ? "an even positive integer" : "a positive integer");
}

PyObject* create(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"n", "char", "root", "batched", "isa", "p", "q", nullptr};
  PlanSize size;
  int code = 0;
  int batched = 1;
  const char* isa = "";
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "nC|ipsnn:Plan", const_cast<char**>(names),
                                   &size.n, &code, &size.root, &batched, &isa, &size.p, &size.q)) {
    return nullptr;
  }
  return guarded([&]() -> PyObject* {
    const Entry* entry = find_entry(code);
    if (entry == nullptr) {
      fail(PyExc_ValueError, "Plan: char is '%c', expected 'f', 'd', 'F' or 'D'", code);
    }
    size.is_complex = entry->scalars == 2;
    size.batched = batched != 0;
    check_size(size);
    const Kernels* kernels = find_kernels(isa);
    if (kernels == nullptr) {
      fail(PyExc_ValueError, "Plan: isa is '%s', expected one of this processor's: %s", isa,
           names_of_instruction_sets().c_str());
    }
    const bool is_float = entry->scalar_size == sizeof(float);
    std::unique_ptr<const Plan<float>> in_float;
    std::unique_ptr<const Plan<double>> in_double;
    {
      WithoutGil region(size.n);
      if (is_float) {
        in_float = kernels->plan_float(size);
      } else {
        in_double = kernels->plan_double(size);
      }
    }

    const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
    PyObject* self = allocate(type, 0);
    if (self == nullptr) return nullptr;
    PlanObject& plan = as_plan(self);
    plan.vectors = {size.n,          size.p * size.q, size.n * size.q,
                    size.n * size.p, entry,           find_entry(is_float ? 'f' : 'd')};
    plan.root = size.root;
    plan.isa = kernels->name;
    new (&plan.in_float) std::unique_ptr<const Plan<float>>(std::move(in_float));
    new (&plan.in_double) std::unique_ptr<const Plan<double>>(std::move(in_double));
    return self;
  });
}

void destroy(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_plan(self).in_float.~unique_ptr();
  as_plan(self).in_double.~unique_ptr();
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// -- methods

template <class Method>
PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count(Method::name, count, Method::arguments);
    const PlanObject& plan = as_plan(self);
    dispatch(plan, [&](const auto& kernel) { Method::run(plan.vectors, kernel, args); });
    Py_RETURN_NONE;
  });
}

PyObject* tape_size(PyObject* self, PyObject* batch) {
  return guarded([&]() -> PyObject* {
    const Index rows = std::max<Index>(take_index("tape_size", "batch", batch, 0), 1);
    const PlanObject& plan = as_plan(self);
    const Index widest = std::max(plan.vectors.input, plan.vectors.output);
    if (rows > PY_SSIZE_T_MAX / 1024 / widest) return PyErr_NoMemory();
    return PyLong_FromSsize_t(
        dispatch(plan, [rows](const auto& kernel) { return kernel.tape_size(rows); }));
  });
}

// -- attributes

PyObject* get_n(PyObject* self, void*) { return PyLong_FromSsize_t(as_plan(self).vectors.n); }

PyObject* get_blocks(PyObject* self, void*) {
  const Vectors& vectors = as_plan(self).vectors;
  return Py_BuildValue("nn", vectors.output / vectors.n, vectors.input / vectors.n);
}

PyObject* get_char(PyObject* self, void*) {
  return PyUnicode_FromStringAndSize(&as_plan(self).vectors.entry->code, 1);
}

PyObject* get_root(PyObject* self, void*) { return PyLong_FromLong(as_plan(self).root); }

PyObject* get_isa(PyObject* self, void*) { return PyUnicode_FromString(as_plan(self).isa); }

PyObject* get_layout(PyObject* self, void*) {
  const Layout layout = dispatch(as_plan(self), [](const auto& kernel) { return kernel.layout(); });
  return PyUnicode_FromString(layout == Layout::along ? "along" : "lanes");
}

PyObject* get_spectrum_size(PyObject* self, void*) {
  return PyLong_FromSsize_t(
      dispatch(as_plan(self), [](const auto& kernel) { return kernel.spectrum_size(); }));
}

PyObject* get_nbytes(PyObject* self, void*) {
  return PyLong_FromSsize_t(
      dispatch(as_plan(self), [](const auto& kernel) { return kernel.bytes(); }));
}

template <class Function>
PyCFunction as_function(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
    {"spectrum", as_function(call<Spectrum>), METH_FASTCALL,
     "spectrum(column, spectrum)\n--\n\n"
     "Transform the first column (k,), k <= n, padded with zeros, or the columns of all blocks "
     "(p q n,),\n"
     "into `spectrum_size` real scalars."},
    {"column", as_function(call<Column>), METH_FASTCALL,
     "column(sums, column)\n--\n\n"
     "Transform sums, as `gradient` fills them, back into a column (k,), k <= n, or into those of "
     "all blocks."},
    {"product", as_function(call<Product>), METH_FASTCALL,
     "product(x, spectrum, y, before, after, tape, conjugate, threads)\n--\n\n"
     "Compute y = after * crop(C pad(before * x)), or with C^H if conjugate is true.\n\n"
     "x (B, k) or (k,) and y (B, m) or (m,) may be the same array; before (k,), after (m,) and "
     "tape may be\n"
     "None. A tape of `tape_size(B)` real scalars receives the transforms of before * x.\n\n"
     "A product without a tape that is interrupted by a signal leaves a part of the rows in y."},
    {"gradient", as_function(call<Gradient>), METH_FASTCALL,
     "gradient(tape, x, g, spectrum, dx, sums, before, after, conjugate, threads)\n--\n\n"
     "Compute the pullback of `product` for g (B, m): dx (B, k), and sums for `column`.\n\n"
     "Either may be None. Sums need the tape of the product or its x, and not both."},
    {"tape_size", tape_size, METH_O,
     "tape_size(batch)\n--\n\nReturn the number of real scalars of a tape of so many rows."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef attributes[] = {
    {"n", get_n, nullptr, "length of vectors, or of their pieces for each block", nullptr},
    {"blocks", get_blocks, nullptr, "rows and columns of blocks", nullptr},
    {"char", get_char, nullptr, "NumPy's character of the dtype of vectors", nullptr},
    {"root", get_root, nullptr, "1: circulant, -1: skew-circulant", nullptr},
    {"isa", get_isa, nullptr, "instruction set", nullptr},
    {"layout", get_layout, nullptr, "\"along\" the vector, or \"lanes\" of rows", nullptr},
    {"spectrum_size", get_spectrum_size, nullptr, "real scalars of a spectrum, and of sums",
     nullptr},
    {"nbytes", get_nbytes, nullptr, "bytes of the tables", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

char documentation[] =
    "Plan(n, char, root=1, batched=True, isa=\"\", p=1, q=1)\n--\n\n"
    "Tables of convolution modulo z^n - root, or of a matrix of p x q such blocks.\n\n"
    "Immutable, and safe from several threads at once.";

PyType_Slot slots[] = {{Py_tp_doc, documentation},
                       {Py_tp_new, reinterpret_cast<void*>(create)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, attributes},
                       {0, nullptr}};

PyType_Spec spec = {"structmat._kernels.extension.Plan", sizeof(PlanObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};

}  // namespace

PyObject* make_plan_type(PyObject* module) {
  return PyType_FromModuleAndSpec(module, &spec, nullptr);
}

}  // namespace structmat
