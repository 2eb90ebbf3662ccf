#include "methods.hpp"

#include <algorithm>

namespace structmat {
namespace {

// A long product looks for signals after each piece of so many bytes.
constexpr Index bytes_of_a_piece = Index{64} << 20;

// Rows are independent, so a long product without a tape is done in pieces, with the same bits. The
// user's interrupt is answered between them; y then holds a part of the rows.
template <class Scalar>
void run_in_pieces(const Vectors& vectors, const Plan<Scalar>& kernel, Call<Scalar> call) {
  const Index widest = std::max(vectors.input, vectors.output);
  const Index row_bytes = widest * vectors.entry->scalars * vectors.entry->scalar_size;
  const Index most = std::max<Index>(bytes_of_a_piece / row_bytes, 2);
  Index left = call.rows;
  for (;;) {
    // A single row may be rounded differently, so none is left over.
    call.rows = left > most + 1 ? most : left;
    {
      WithoutGil region(call.rows * widest);
      kernel.product(call);
    }
    left -= call.rows;
    if (left == 0) return;
    if (PyErr_CheckSignals() < 0) throw PythonError();
    call.x.data += call.rows * call.x.stride;
    call.y.data += call.rows * call.y.stride;
  }
}

// The first column, whose last entries may be missing, or the columns of all blocks.
void check_columns(const Argument& column, const Vectors& vectors) {
  if (vectors.blocks == 1) {
    column.check_width(vectors.n);
  } else {
    column.check_size(vectors.n * vectors.blocks);
  }
}

}  // namespace

template <class Scalar>
void Spectrum::run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args) {
  Argument column(name, "column");
  Argument spectrum(name, "spectrum");
  column.take_vector(args[0], *vectors.entry, Access::read);
  spectrum.take_vector(args[1], *vectors.scalar, Access::write);
  column.require();
  spectrum.require();
  check_columns(column, vectors);
  spectrum.check_size(kernel.spectrum_size());
  check_disjoint({&spectrum}, {&column});

  WithoutGil region(vectors.n * vectors.blocks);
  kernel.spectrum(column.data<const Scalar>(), column.width(), spectrum.data<Scalar>());
}

template <class Scalar>
void Column::run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args) {
  Argument sums(name, "sums");
  Argument column(name, "column");
  sums.take_vector(args[0], *vectors.scalar, Access::read);
  column.take_vector(args[1], *vectors.entry, Access::write);
  sums.require();
  column.require();
  sums.check_size(kernel.spectrum_size());
  check_columns(column, vectors);
  check_disjoint({&column}, {&sums});

  WithoutGil region(vectors.n * vectors.blocks);
  kernel.column(sums.data<const Scalar>(), column.data<Scalar>(), column.width());
}

template <class Scalar>
void Product::run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args) {
  Argument x(name, "x");
  Argument spectrum(name, "spectrum");
  Argument y(name, "y");
  Argument before(name, "before");
  Argument after(name, "after");
  Argument tape(name, "tape");
  x.take_rows(args[0], *vectors.entry, Access::read);
  spectrum.take_vector(args[1], *vectors.scalar, Access::read);
  y.take_rows(args[2], *vectors.entry, Access::write);
  before.take_vector(args[3], *vectors.entry, Access::read);
  after.take_vector(args[4], *vectors.entry, Access::read);
  tape.take_vector(args[5], *vectors.scalar, Access::write);
  Call<Scalar> call;
  call.conjugate = take_bool(args[6]);
  call.threads = take_threads(name, args[7]);

  x.require();
  spectrum.require();
  y.require();
  x.check_width(call.conjugate ? vectors.output : vectors.input);
  y.check_width(call.conjugate ? vectors.input : vectors.output);
  y.check_rows_are_those_of(x);
  spectrum.check_size(kernel.spectrum_size());
  before.check_width_is_that_of(x);
  after.check_width_is_that_of(y);
  if (x.rows() == 0) return;
  if (tape.given()) tape.check_size_at_least(kernel.tape_size(x.rows()));
  check_disjoint({&y, &tape}, {&spectrum, &before, &after});
  if (!y.is(x)) check_disjoint({&y}, {&x});
  check_disjoint({&tape}, {&x});

  call.rows = x.rows();
  call.x = x.as_rows<const Scalar>();
  call.y = y.as_rows<Scalar>();
  call.spectrum = spectrum.data<const Scalar>();
  call.before = before.data<const Scalar>();
  call.after = after.data<const Scalar>();
  call.kept = tape.data<Scalar>();
  if (call.kept == nullptr) return run_in_pieces(vectors, kernel, call);
  WithoutGil region(call.rows * std::max(vectors.input, vectors.output));
  kernel.product(call);
}

template <class Scalar>
void Gradient::run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args) {
  Argument tape(name, "tape");
  Argument x(name, "x");
  Argument g(name, "g");
  Argument spectrum(name, "spectrum");
  Argument dx(name, "dx");
  Argument sums(name, "sums");
  Argument before(name, "before");
  Argument after(name, "after");
  tape.take_vector(args[0], *vectors.scalar, Access::read);
  x.take_rows(args[1], *vectors.entry, Access::read);
  g.take_rows(args[2], *vectors.entry, Access::read);
  spectrum.take_vector(args[3], *vectors.scalar, Access::read);
  dx.take_rows(args[4], *vectors.entry, Access::write);
  sums.take_vector(args[5], *vectors.scalar, Access::write);
  before.take_vector(args[6], *vectors.entry, Access::read);
  after.take_vector(args[7], *vectors.entry, Access::read);
  Call<Scalar> call;
  call.conjugate = take_bool(args[8]);
  call.threads = take_threads(name, args[9]);

  g.require();
  spectrum.require();
  if (sums.given() && tape.given() == x.given()) {
    fail(PyExc_ValueError, "%s: sums need either tape or x, got %s", name,
         x.given() ? "both" : "neither");
  }
  const Index input = call.conjugate ? vectors.output : vectors.input;
  x.check_width(input);
  g.check_width(call.conjugate ? vectors.input : vectors.output);
  dx.check_width(input);
  before.check_width(input);
  x.check_rows_are_those_of(g);
  dx.check_rows_are_those_of(g);
  spectrum.check_size(kernel.spectrum_size());
  sums.check_size(kernel.spectrum_size());
  dx.check_width_is_that_of(x);
  before.check_width_is_that_of(x);
  before.check_width_is_that_of(dx);
  after.check_width_is_that_of(g);
  if (tape.given() && g.rows() > 0) tape.check_size_at_least(kernel.tape_size(g.rows()));
  check_disjoint({&dx, &sums}, {&tape, &x, &g, &spectrum, &before, &after});

  if (g.rows() == 0) {
    if (sums.given()) std::fill_n(sums.data<Scalar>(), sums.width(), Scalar(0));
    return;
  }
  if (!dx.given() && !sums.given()) return;
  call.rows = g.rows();
  call.x = x.as_rows<const Scalar>();
  call.g = g.as_rows<const Scalar>();
  call.y = dx.as_rows<Scalar>();
  call.spectrum = spectrum.data<const Scalar>();
  call.before = before.data<const Scalar>();
  call.after = after.data<const Scalar>();
  call.tape = tape.data<const Scalar>();
  call.sums = sums.data<Scalar>();
  WithoutGil region(call.rows * std::max(vectors.input, vectors.output));
  kernel.gradient(call);
}

template void Spectrum::run(const Vectors&, const Plan<float>&, PyObject* const*);
template void Spectrum::run(const Vectors&, const Plan<double>&, PyObject* const*);
template void Column::run(const Vectors&, const Plan<float>&, PyObject* const*);
template void Column::run(const Vectors&, const Plan<double>&, PyObject* const*);
template void Product::run(const Vectors&, const Plan<float>&, PyObject* const*);
template void Product::run(const Vectors&, const Plan<double>&, PyObject* const*);
template void Gradient::run(const Vectors&, const Plan<float>&, PyObject* const*);
template void Gradient::run(const Vectors&, const Plan<double>&, PyObject* const*);

}  // namespace structmat
