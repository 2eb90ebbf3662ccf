// Leaves of the tree: the last passes, down to single frequencies, in registers.
//
// Lanes: a leaf is a complex block of R points, and one pass of radix R ends it.
//
// Along: a point is L neighbouring entries of a row, so a leaf of R points has R L entries. A pass
// of radix R leaves R blocks of one vector each, modulo z^L - w_j. Transposition of a tile of L
// such vectors brings the k-th entries of L blocks into one register, and a pass of radix L ends
// them all; its twiddle factors are vectors, as each block has its own. If R is not a multiple of
// L, the last tile is filled with zeros, and so are the frequencies and the spectrum there.
#pragma once

#include "butterflies.hpp"
#include "shape.hpp"

namespace structmat::STRUCTMAT_ISA {

template <class Scalar, int L, bool along>
struct Leaves {
  using Vector = Lanes<Scalar, L>;

  // Leaves of this radix stay in registers from beginning to end.
  static constexpr int favourite = along && L == 16 ? 16 : 8;

  static constexpr int step = along ? L : 1;  // entries of a row in a point

  static constexpr int frequencies(int radix) {
    return static_cast<int>(leaf_frequencies(radix, step));
  }
  static constexpr int most_frequencies = frequencies(favourite);

  template <int R>
  static STRUCTMAT_INLINE void analyse(const Vector* re, const Vector* im, Vector* a, Vector* b,
                                       const Scalar* table) {
    for (int k = 0; k < R; ++k) {
      a[k] = re[k];
      b[k] = im[k];
    }
    for (int k = 1; k < R; ++k) multiply(a[k], b[k], table[2 * k - 2], table[2 * k - 1]);
    dft<R>(a, b);
    if constexpr (along) {
      for (int k = R; k < frequencies(R); ++k) {
        a[k] = Vector{};
        b[k] = Vector{};
      }
      const Scalar* factors = table + pass_table_size(R, step);
      for (int first = 0; first < R; first += L) {
        analyse_tile(a + first, b + first, factors);
        factors += tile_table_size(L);
      }
    }
  }

  template <int R>
  static STRUCTMAT_INLINE void synthesise(Vector* re, Vector* im, Vector* a, Vector* b,
                                          const Scalar* table) {
    if constexpr (along) {
      const Scalar* factors = table + pass_table_size(R, step);
      for (int first = 0; first < R; first += L) {
        synthesise_tile(a + first, b + first, factors);
        factors += tile_table_size(L);
      }
    }
    dft<R>(b, a);
    for (int k = 1; k < R; ++k) {
      multiply_conjugate(a[k], b[k], table[2 * k - 2], table[2 * k - 1]);
    }
    for (int k = 0; k < R; ++k) {
      re[k] = a[k];
      im[k] = b[k];
    }
  }

  // The same for a radix that is known at run time only; the frequencies lie in memory.
  static __attribute__((noinline)) void analyse(int radix, const Vector* re, const Vector* im,
                                                Vector* a, Vector* b, const Scalar* table) {
    switch (radix) {
      case 1:
        return analyse<1>(re, im, a, b, table);
      case 2:
        return analyse<2>(re, im, a, b, table);
      case 3:
        return analyse<3>(re, im, a, b, table);
      case 4:
        return analyse<4>(re, im, a, b, table);
      case 5:
        return analyse<5>(re, im, a, b, table);
      case 6:
        return analyse<6>(re, im, a, b, table);
      case 7:
        return analyse<7>(re, im, a, b, table);
      default:
        return analyse<favourite>(re, im, a, b, table);
    }
  }

  static __attribute__((noinline)) void synthesise(int radix, Vector* re, Vector* im, Vector* a,
                                                   Vector* b, const Scalar* table) {
    switch (radix) {
      case 1:
        return synthesise<1>(re, im, a, b, table);
      case 2:
        return synthesise<2>(re, im, a, b, table);
      case 3:
        return synthesise<3>(re, im, a, b, table);
      case 4:
        return synthesise<4>(re, im, a, b, table);
      case 5:
        return synthesise<5>(re, im, a, b, table);
      case 6:
        return synthesise<6>(re, im, a, b, table);
      case 7:
        return synthesise<7>(re, im, a, b, table);
      default:
        return synthesise<favourite>(re, im, a, b, table);
    }
  }

 private:
  static STRUCTMAT_INLINE void analyse_tile(Vector* a, Vector* b, const Scalar* factors) {
    transpose(a);
    transpose(b);
    for (int k = 1; k < L; ++k) {
      const Scalar* factor = factors + 2 * L * (k - 1);
      multiply(a[k], b[k], load<Scalar, L>(factor), load<Scalar, L>(factor + L));
    }
    dft<L>(a, b);
  }

  static STRUCTMAT_INLINE void synthesise_tile(Vector* a, Vector* b, const Scalar* factors) {
    dft<L>(b, a);
    for (int k = 1; k < L; ++k) {
      const Scalar* factor = factors + 2 * L * (k - 1);
      multiply_conjugate(a[k], b[k], load<Scalar, L>(factor), load<Scalar, L>(factor + L));
    }
    transpose(a);
    transpose(b);
  }
};

}  // namespace structmat::STRUCTMAT_ISA
