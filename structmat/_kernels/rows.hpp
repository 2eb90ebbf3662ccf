// Rows in and out of the kernels' arrays of points: padded with zeros or cropped, and multiplied by
// a diagonal on the way.
//
// Along, a point is L neighbouring entries of one row. Otherwise it is one entry of each of up to L
// rows: tiles of L entries of L rows are transposed in registers. Complex entries are separated
// into real and imaginary parts.
#pragma once

#include <algorithm>

#include "registers.hpp"

namespace structmat::STRUCTMAT_ISA {

// Some rows in the caller's memory, and a diagonal or null.
template <class Scalar>
struct RowsAt {
  Scalar* row;  // the first one
  Index stride;
  Index rows;
  Index width;
  const Scalar* factors;

  // Whether rows have n entries that are not multiplied.
  bool is_plain(Index n) const { return width == n && factors == nullptr; }
};

template <class Scalar, int L, bool along, bool is_complex>
struct RowIo {
  using Vector = Lanes<Scalar, L>;
  using Source = RowsAt<const Scalar>;
  using Target = RowsAt<Scalar>;

  static constexpr Index parts = is_complex ? 2 : 1;  // scalars of an entry
  static constexpr Index tile = along ? 1 : L;        // points that are moved at once
  static constexpr Index rows_at_once = along ? 1 : L;

  // re[k] + i im[k] <- point first + k for k < tile; entries beyond the width are zero. `plain`: rows
  // are known to be plain, which saves tests along a row.
  template <bool plain>
  static STRUCTMAT_INLINE void read(const Source& from, Index first, Vector* re, Vector* im) {
    if constexpr (along) {
      read_along<plain>(from, first * L, *re, *im);
    } else {
      read_lanes(from, first, re, im);
    }
  }

  template <bool plain>
  static STRUCTMAT_INLINE void write(const Target& to, Index first, Vector* re, Vector* im) {
    if constexpr (along) {
      write_along<plain>(to, first * L, *re, *im);
    } else {
      write_lanes(to, first, re, im);
    }
  }

 private:
  static STRUCTMAT_INLINE void load_entries(const Scalar* row, Index entry, Index count, Vector& a,
                                            Vector& b) {
    const Scalar* from = row + parts * entry;
    a = load_some<Scalar, L>(from, parts * count);
    if constexpr (is_complex) {
      b = 2 * count > L ? load_some<Scalar, L>(from + L, 2 * count - L) : Vector{};
      deinterleave(a, b);
    }
  }

  template <class Factor>
  static STRUCTMAT_INLINE void scale(Vector& a, Vector& b, Factor c, Factor s) {
    if constexpr (is_complex) {
      multiply(a, b, c, s);
    } else {
      a *= c;
    }
  }

  static STRUCTMAT_INLINE void scale_along(const Scalar* factors, Index entry, Index count,
                                           Vector& a, Vector& b) {
    Vector c, s;
    load_entries(factors, entry, count, c, s);
    scale(a, b, c, s);
  }

  template <bool plain>
  static STRUCTMAT_INLINE void read_along(const Source& from, Index entry, Vector& a, Vector& b) {
    if constexpr (plain) return load_entries(from.row, entry, L, a, b);
    const Index count = from.width - entry;
    if (count <= 0) {
      a = Vector{};
      if constexpr (is_complex) b = Vector{};
      return;
    }
    load_entries(from.row, entry, count, a, b);
    if (from.factors != nullptr) scale_along(from.factors, entry, count, a, b);
  }

  template <bool plain>
  static STRUCTMAT_INLINE void write_along(const Target& to, Index entry, Vector a, Vector b) {
    const Index count = plain ? L : to.width - entry;
    if (count <= 0) return;
    if (!plain && to.factors != nullptr) scale_along(to.factors, entry, count, a, b);
    Scalar* row = to.row + parts * entry;
    if constexpr (is_complex) {
      interleave(a, b);
      if (2 * count > L) store_some<Scalar, L>(row + L, b, 2 * count - L);
    }
    store_some<Scalar, L>(row, a, parts * count);
  }

  static STRUCTMAT_INLINE void scale_point(const Scalar* factors, Index entry, Vector& a,
                                           Vector& b) {
    if constexpr (is_complex) {
      multiply(a, b, factors[2 * entry], factors[2 * entry + 1]);
    } else {
      a *= factors[entry];
    }
  }

  static STRUCTMAT_INLINE void read_lanes(const Source& from, Index first, Vector* re, Vector* im) {
    Vector columns[parts * L];
    for (Index part = 0; part < parts; ++part) {
      load_tile(from, parts * first + part * L, columns + part * L);
    }
    const Index known = std::min<Index>(from.width - first, L);
    for (Index k = 0; k < L; ++k) {
      re[k] = columns[parts * k];
      if constexpr (is_complex) im[k] = columns[2 * k + 1];
    }
    if (from.factors != nullptr) {
      for (Index k = 0; k < known; ++k) scale_point(from.factors, first + k, re[k], im[k]);
    }
  }

  // L scalars of each row, from scalar `start` on, transposed.
  static STRUCTMAT_INLINE void load_tile(const Source& from, Index start, Vector* columns) {
    const Index known = parts * from.width - start;
    if (from.rows == L && known >= L) {
      for (int row = 0; row < L; ++row) {
        columns[row] = load<Scalar, L>(from.row + row * from.stride + start);
      }
    } else {
      load_edge_tile(from, start, known, columns);
    }
    transpose(columns);
  }

  static __attribute__((noinline)) void load_edge_tile(const Source& from, Index start, Index known,
                                                       Vector* columns) {
    for (int row = 0; row < L; ++row) {
      columns[row] = Vector{};
      if (row < from.rows && known > 0) {
        columns[row] = load_some<Scalar, L>(from.row + row * from.stride + start, known);
      }
    }
  }

  static STRUCTMAT_INLINE void write_lanes(const Target& to, Index first, Vector* re, Vector* im) {
    const Index known = std::min<Index>(to.width - first, L);
    if (to.factors != nullptr) {
      for (Index k = 0; k < known; ++k) scale_point(to.factors, first + k, re[k], im[k]);
    }
    Vector columns[parts * L];
    for (Index k = 0; k < L; ++k) {
      columns[parts * k] = re[k];
      if constexpr (is_complex) columns[2 * k + 1] = im[k];
    }
    for (Index part = 0; part < parts; ++part) {
      store_tile(to, parts * first + part * L, columns + part * L);
    }
  }

  static STRUCTMAT_INLINE void store_tile(const Target& to, Index start, Vector* columns) {
    const Index known = parts * to.width - start;
    if (known <= 0) return;
    transpose(columns);
    if (to.rows == L && known >= L) {
      for (int row = 0; row < L; ++row) {
        store<Scalar, L>(to.row + row * to.stride + start, columns[row]);
      }
    } else {
      store_edge_tile(to, start, known, columns);
    }
  }

  static __attribute__((noinline)) void store_edge_tile(const Target& to, Index start, Index known,
                                                        const Vector* columns) {
    for (Index row = 0; row < to.rows; ++row) {
      store_some<Scalar, L>(to.row + row * to.stride + start, columns[row], known);
    }
  }
};

}  // namespace structmat::STRUCTMAT_ISA
