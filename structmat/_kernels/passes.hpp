// Passes over a block in memory, which split it into R parts of neighbouring points or join them.
//
// Points whose distance is a power of two meet in one set of the cache. Therefore an empty line of
// the cache may follow each 4 KiB of points: point j of an array lies at `place(j, gap)`. The shape
// of the tree sees to it that no part lies across such a line unless it consists of whole runs.
#pragma once

#include "butterflies.hpp"

namespace structmat::STRUCTMAT_ISA {

template <class Vector>
struct Passes {
  using Scalar = ScalarOf<Vector>;

  static constexpr Index run = 4096 / sizeof(Vector);  // points between empty lines
  static constexpr Index line = sizeof(Vector) < 64 ? 64 / sizeof(Vector) : 1;

  static STRUCTMAT_INLINE Index place(Index j, Index gap) { return j + j / run * gap; }

  // Splits a complex block of `radix` times `part` points, modulo z^M - w, into blocks modulo
  // z^(M/R) - w_j, or joins these; the factors are powers of an R-th root of w.
  template <bool inverse>
  static void complex_pass(int radix, Vector* re, Vector* im, Index part, const Scalar* factors,
                           Index gap) {
    switch (radix) {
      case 8:
        return complex_pass<8, inverse>(re, im, part, factors, gap);
      case 7:
        return complex_pass<7, inverse>(re, im, part, factors, gap);
      case 5:
        return complex_pass<5, inverse>(re, im, part, factors, gap);
      case 4:
        return complex_pass<4, inverse>(re, im, part, factors, gap);
      case 3:
        return complex_pass<3, inverse>(re, im, part, factors, gap);
      default:
        return complex_pass<2, inverse>(re, im, part, factors, gap);
    }
  }

  // Splits a real block modulo z^M - 1, or joins its parts.
  template <bool inverse>
  static void real_pass(int radix, Vector* x, Index part, Index gap) {
    switch (radix) {
      case 7:
        return real_pass<7, inverse>(x, part, gap);
      case 5:
        return real_pass<5, inverse>(x, part, gap);
      case 4:
        return real_pass<4, inverse>(x, part, gap);
      case 3:
        return real_pass<3, inverse>(x, part, gap);
      default:
        return real_pass<2, inverse>(x, part, gap);
    }
  }

 private:
  // Calls function(place of point j) for the points of a part that begins at place 0.
  template <class Function>
  static STRUCTMAT_INLINE void for_each_point(Index count, Index gap, Function function) {
    if (count <= run) {
      for (Index j = 0; j < count; ++j) function(j);
      return;
    }
    for (Index first = 0; first < count; first += run) {
      const Index start = place(first, gap);
      const Index length = count - first < run ? count - first : run;
      for (Index j = 0; j < length; ++j) function(start + j);
    }
  }

  template <int R, bool inverse>
  static void complex_pass(Vector* re, Vector* im, Index part, const Scalar* factors, Index gap) {
    Index offset[R];
    for (int k = 0; k < R; ++k) offset[k] = place(k * part, gap);
    for_each_point(part, gap, [&](Index j) __attribute__((always_inline)) {
      Vector a[R];
      Vector b[R];
      for (int k = 0; k < R; ++k) {
        a[k] = re[j + offset[k]];
        b[k] = im[j + offset[k]];
      }
      if constexpr (inverse) {
        dft<R>(b, a);
        for (int k = 1; k < R; ++k) {
          multiply_conjugate(a[k], b[k], factors[2 * k - 2], factors[2 * k - 1]);
        }
      } else {
        for (int k = 1; k < R; ++k) {
          multiply(a[k], b[k], factors[2 * k - 2], factors[2 * k - 1]);
        }
        dft<R>(a, b);
      }
      for (int k = 0; k < R; ++k) {
        re[j + offset[k]] = a[k];
        im[j + offset[k]] = b[k];
      }
    });
  }

  template <int R, bool inverse>
  static void real_pass(Vector* x, Index part, Index gap) {
    Index offset[R];
    for (int k = 0; k < R; ++k) offset[k] = place(k * part, gap);
    for_each_point(part, gap, [&](Index j) __attribute__((always_inline)) {
      Vector a[R];
      for (int k = 0; k < R; ++k) a[k] = x[j + offset[k]];
      if constexpr (R == 2) {
        const Vector difference = a[0] - a[1];
        a[0] += a[1];
        a[1] = difference;
      } else if constexpr (R == 4) {
        if constexpr (inverse) {
          join4(a[0], a[1], a[2], a[3]);
        } else {
          split4(a[0], a[1], a[2], a[3]);
        }
      } else {
        if constexpr (inverse) {
          join_odd<R>(a);
        } else {
          split_odd<R>(a);
        }
      }
      for (int k = 0; k < R; ++k) x[j + offset[k]] = a[k];
    });
  }
};

}  // namespace structmat::STRUCTMAT_ISA
