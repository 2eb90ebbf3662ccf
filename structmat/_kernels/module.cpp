// The module `structmat._kernels.extension`.
#include "arguments.hpp"
#include "cpu.hpp"
#include "plan_type.hpp"

namespace structmat {
namespace {

// The loader refuses an extension with another number. It changes with every change of the Python
// interface.
constexpr int interface_version = 2;

PyObject* isas(PyObject*, PyObject*) {
  const InstructionSets& sets = instruction_sets();
  PyObject* names = PyTuple_New(sets.count);
  if (names == nullptr) return nullptr;
  for (int i = 0; i < sets.count; ++i) {
    PyObject* name = PyUnicode_FromString(sets.kernels[i]->name);
    if (name == nullptr || PyTuple_SetItem(names, i, name) < 0) {
      Py_DECREF(names);
      return nullptr;
    }
  }
  return names;
}

const Kernels& take_kernels(PyObject* object) {
  const char* name = PyUnicode_AsUTF8AndSize(object, nullptr);
  if (name == nullptr) throw PythonError();
  const Kernels* kernels = find_kernels(name);
  if (kernels == nullptr) {
    fail(PyExc_ValueError, "walsh: isa is %R, expected one of this processor's: %s", object,
         names_of_instruction_sets().c_str());
  }
  return *kernels;
}

bool is_power_of_two(Index n) { return n > 0 && (n & (n - 1)) == 0; }

template <class Scalar, class Transform>
void run_walsh(const Entry& entry, Transform transform, double scale, Index n, Index width, int threads,
               PyObject* const* args) {
  Argument x("walsh", "x");
  Argument y("walsh", "y");
  Argument core("walsh", "core");
  Argument before("walsh", "before");
  Argument after("walsh", "after");
  x.take_rows(args[0], entry, Access::read);
  y.take_rows(args[1], entry, Access::write);
  core.take_vector(args[4], entry, Access::read);
  before.take_vector(args[5], entry, Access::read);
  after.take_vector(args[6], entry, Access::read);
  x.require();
  y.require();
  y.check_rows_are_those_of(x);
  x.check_width(n);
  y.check_width(n);
  if (core.given()) {
    if (width != 12 && width != 20) {
      fail(PyExc_ValueError, "walsh: width is %zd, expected the order of core, 12 or 20", width);
    }
    core.check_size(width * width);
  }
  before.check_width_is_that_of(x);
  after.check_width_is_that_of(y);
  if (x.rows() == 0) return;
  if (y.is(x)) {
    check_disjoint({&y}, {&core, &before, &after});
  } else {
    check_disjoint({&y}, {&x, &core, &before, &after});
  }
  WithoutGil region(x.rows() * n);
  transform(x.rows(), x.as_rows<const Scalar>(), y.as_rows<Scalar>(), n, width,
            core.data<const Scalar>(), before.data<const Scalar>(), after.data<const Scalar>(),
            static_cast<Scalar>(scale), threads);
}

PyObject* walsh(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    check_count("walsh", count, 10);
    const Index n = take_index("walsh", "n", args[2], 1);
    const Index width = take_index("walsh", "width", args[3], 1);
    if (n % width != 0 || !is_power_of_two(n / width)) {
      fail(PyExc_ValueError, "walsh: n is %zd, expected width %zd times a power of two", n, width);
    }
    const double scale = PyFloat_AsDouble(args[7]);
    if (scale == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
    const Kernels& kernels = take_kernels(args[8]);
    const int threads = take_threads("walsh", args[9]);
    if (has_format(args[0], *find_entry('d'))) {
      run_walsh<double>(*find_entry('d'), kernels.walsh_double, scale, n, width, threads, args);
    } else {
      run_walsh<float>(*find_entry('f'), kernels.walsh_float, scale, n, width, threads, args);
    }
    Py_RETURN_NONE;
  });
}

int execute(PyObject* module) {
  PyObject* type = make_plan_type(module);
  if (type == nullptr) return -1;
  const int failed = PyModule_AddObjectRef(module, "Plan", type);
  Py_DECREF(type);
  if (failed < 0) return -1;
  return PyModule_AddIntConstant(module, "INTERFACE", interface_version);
}

PyMethodDef functions[] = {
    {"isas", isas, METH_NOARGS,
     "isas()\n--\n\nReturn the names of the instruction sets that were compiled and this processor "
     "has, best first."},
    {"walsh", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(walsh)), METH_FASTCALL,
     "walsh(x, y, n, width, core, before, after, scale, isa, threads)\n--\n\n"
     "Compute y = scale * after * ((H x core) (before * x)), n = width * 2^k, in Sylvester's "
     "order.\n\nRows x (B, up to n) are padded with zeros, and y (B, up to n) is cropped. y may be x. "
     "The columns of core\n(width^2,), of order 12 or 20, before and after, as long as rows of x and "
     "y, may be None."},
    {nullptr, nullptr, 0, nullptr}};

// Headers of the stable ABI of 3.11 lack the slots that later interpreters know (PEP 684, PEP 703).
constexpr int slot_multiple_interpreters = 3;  // from 3.12
constexpr int slot_gil = 4;                    // from 3.13
void* const per_interpreter_gil_supported = reinterpret_cast<void*>(2);
void* const gil_not_used = reinterpret_cast<void*>(1);

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(execute)}, {0, nullptr}, {0, nullptr}, {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "extension",
                          "Compiled kernels of structmat.",
                          0,
                          functions,
                          slots,
                          nullptr,
                          nullptr,
                          nullptr};

}  // namespace
}  // namespace structmat

PyMODINIT_FUNC PyInit_extension() {
  using namespace structmat;
  if (Py_Version >= 0x030c0000)
    slots[1] = {slot_multiple_interpreters, per_interpreter_gil_supported};
  if (Py_Version >= 0x030d0000) slots[2] = {slot_gil, gil_not_used};
  return PyModuleDef_Init(&definition);
}
