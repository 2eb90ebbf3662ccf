// The recursion over the tree of factors (see shape.hpp), which is the whole product: a block is
// split, its parts are finished one after the other while they are in the cache, and joined again.
// At the leaves the frequencies are in registers; there the spectrum is multiplied, and the way
// back begins. Tables, spectra, tapes and sums are read and written once, in the order of the
// recursion.
#pragma once

#include "leaves.hpp"
#include "passes.hpp"

namespace structmat::STRUCTMAT_ISA {

// What happens at the leaves.
enum class Mode {
  product,    // frequencies are multiplied by the spectrum
  record,     // the same, after they were written to the tape
  replay,     // the same, after conj(tape) * frequencies was added to the sums
  analysis,   // frequencies are written to the tape with weights, and there is no way back
  synthesis,  // frequencies come from the tape with weights, and there is no way there
};

template <class Scalar, int L, bool along>
struct Recursion {
  using Vector = Lanes<Scalar, L>;
  using Pass = Passes<Vector>;
  using Leaf = Leaves<Scalar, L, along>;

  static constexpr int step = along ? L : 1;  // entries of a row in a point

  // What the recursion reads and writes on its way.
  struct Stream {
    const signed char* steps;
    const Scalar* factors;
    const Scalar* spectrum;
    Scalar sign;   // -1: by the conjugate of the spectrum
    Scalar* tape;  // of whole vectors, which need not be aligned
    Vector* sums;
    Scalar weight;       // of complex blocks, which stand for their conjugates as well
    Scalar real_weight;  // of blocks that contain the conjugates
    Index gap;
  };

  // A complex block: re + i im modulo z^M - w.
  template <Mode mode>
  static void block(Vector* re, Vector* im, Index points, Stream& t) {
    const int radix = *t.steps++;
    if (radix == points) return leaf<mode>(radix, re, im, t);
    const Index part = points / radix;
    const Index gap = t.gap;
    const Scalar* factors = t.factors;
    t.factors += pass_table_size(radix, step);
    if (mode != Mode::synthesis) {
      Pass::template complex_pass<false>(radix, re, im, part, factors, gap);
    }
    for (int j = 0; j < radix; ++j) {
      const Index offset = Pass::place(j * part, gap);
      block<mode>(re + offset, im + offset, part, t);
    }
    if (mode != Mode::analysis) {
      Pass::template complex_pass<true>(radix, re, im, part, factors, gap);
    }
  }

  // A real block modulo z^M - 1.
  template <Mode mode>
  static void cyclic(Vector* x, Index points, Stream& t) {
    const int radix = *t.steps++;
    if (radix == 1) return last_cyclic<mode>(x, points, t);
    const Index part = points / radix;
    if (mode != Mode::synthesis) Pass::template real_pass<false>(radix, x, part, t.gap);
    cyclic_parts<mode>(radix, x, part, t);
    if (mode != Mode::analysis) Pass::template real_pass<true>(radix, x, part, t.gap);
  }

  // The parts of a real block that a real pass has split.
  template <Mode mode>
  static void cyclic_parts(int radix, Vector* x, Index part, Stream& t) {
    const auto at = [&](Index k) { return x + Pass::place(k, t.gap); };
    cyclic<mode>(x, part, t);
    if (radix % 2 != 0) {
      for (int k = 1; k <= radix / 2; ++k) {
        block<mode>(at(k * part), at((radix - k) * part), part, t);
      }
      return;
    }
    // A real remainder modulo z^(2k) + 1 is one complex remainder modulo z^k - i.
    const Index middle = radix / 2 * part;
    if (part == 1) {
      point<mode>(at(middle), t);
    } else {
      block<mode>(at(middle), at(middle + part / 2), part / 2, t);
    }
    if (radix == 4) block<mode>(at(part), at(3 * part), part, t);
  }

 private:
  template <Mode mode>
  static STRUCTMAT_INLINE void leaf(int radix, Vector* re, Vector* im, Stream& t) {
    if (radix == Leaf::favourite) return favourite_leaf<mode>(re, im, t);
    if constexpr (Leaf::favourite == 16) return;
    Vector a[Leaf::most_frequencies];
    Vector b[Leaf::most_frequencies];
    if constexpr (mode != Mode::synthesis) Leaf::analyse(radix, re, im, a, b, t.factors);
    multiply_frequencies<mode>(Leaf::frequencies(radix), a, b, t);
    if constexpr (mode != Mode::analysis) Leaf::synthesise(radix, re, im, a, b, t.factors);
    t.factors += leaf_table_size(radix, step);
  }

  template <Mode mode>
  static void favourite_leaf(Vector* re, Vector* im, Stream& t) {
    constexpr int R = Leaf::favourite;
    Vector a[Leaf::most_frequencies];
    Vector b[Leaf::most_frequencies];
    if constexpr (mode != Mode::synthesis) Leaf::template analyse<R>(re, im, a, b, t.factors);
    multiply_frequencies<mode>(Leaf::frequencies(R), a, b, t);
    if constexpr (mode != Mode::analysis) Leaf::template synthesise<R>(re, im, a, b, t.factors);
    t.factors += leaf_table_size(R, step);
  }

  // One real frequency; lanes only.
  template <Mode mode>
  static void point(Vector* x, Stream& t) {
    Vector zero{};
    std::swap(t.weight, t.real_weight);
    multiply_frequencies<mode>(1, x, &zero, t);
    std::swap(t.weight, t.real_weight);
  }

  // The last real block. Along, it is transformed as a complex one, whose imaginary part is 0.
  template <Mode mode>
  static void last_cyclic(Vector* x, Index points, Stream& t) {
    if constexpr (!along) return point<mode>(x, t);
    Vector re[most_last_points];
    Vector im[most_last_points];
    for (Index j = 0; j < points; ++j) {
      re[j] = x[j];
      im[j] = Vector{};
    }
    std::swap(t.weight, t.real_weight);
    block<mode>(re, im, points, t);
    std::swap(t.weight, t.real_weight);
    if (mode != Mode::analysis) {
      for (Index j = 0; j < points; ++j) x[j] = re[j];
    }
  }

  // Spectra hold one entry, or along one vector, of real parts and one of imaginary parts in turn.
  static STRUCTMAT_INLINE auto coefficient(const Scalar* from) {
    if constexpr (along) {
      return load<Scalar, L>(from);
    } else {
      return *from;
    }
  }

  template <Mode mode>
  static STRUCTMAT_INLINE void multiply_frequencies(int count, Vector* a, Vector* b, Stream& t) {
    constexpr bool multiplies = mode != Mode::analysis && mode != Mode::synthesis;
    for (int k = 0; k < count; ++k) {
      if constexpr (mode == Mode::record) {
        store<Scalar, L>(t.tape + 2 * L * k, a[k]);
        store<Scalar, L>(t.tape + 2 * L * k + L, b[k]);
      }
      if constexpr (mode == Mode::analysis) {
        store<Scalar, L>(t.tape + 2 * L * k, a[k] * t.weight);
        store<Scalar, L>(t.tape + 2 * L * k + L, b[k] * t.weight);
      }
      if constexpr (mode == Mode::synthesis) {
        a[k] = load<Scalar, L>(t.tape + 2 * L * k) * t.weight;
        b[k] = load<Scalar, L>(t.tape + 2 * L * k + L) * t.weight;
      }
      if constexpr (mode == Mode::replay) {
        const Scalar* tape = t.tape + 2 * L * k;
        add_product(t.sums + 2 * k, load<Scalar, L>(tape), load<Scalar, L>(tape + L), a[k], b[k]);
      }
      if constexpr (multiplies) {
        const Scalar* entry = t.spectrum + 2 * step * k;
        multiply(a[k], b[k], coefficient(entry), coefficient(entry + step) * t.sign);
      }
    }
    if constexpr (mode != Mode::product) t.tape += 2 * L * count;
    if constexpr (mode == Mode::replay) t.sums += 2 * count;
    if constexpr (multiplies) t.spectrum += 2 * step * count;
  }

 public:
  // sums += conj(x) g
  static STRUCTMAT_INLINE void add_product(Vector* sums, Vector xr, Vector xi, Vector gr,
                                           Vector gi) {
    sums[0] += xr * gr + xi * gi;
    sums[1] += xr * gi - xi * gr;
  }
};

}  // namespace structmat::STRUCTMAT_ISA
