// Operations on a register of L scalars, whose type `Vector` is `Lanes<Scalar, L>`: complex
// multiplication, the first entries of a register from and to memory, and transposition.
#pragma once

#include <type_traits>

#include "kernels.hpp"
#include "lanes.hpp"

namespace structmat::STRUCTMAT_ISA {

template <class Vector>
using ScalarOf = std::decay_t<decltype(Vector{}[0])>;

template <class Vector>
constexpr int kLanesOf = sizeof(Vector) / sizeof(ScalarOf<Vector>);

// a + ib <- (a + ib) (c + is); c and s are vectors or scalars.
template <class Vector, class Factor>
STRUCTMAT_INLINE void multiply(Vector& a, Vector& b, Factor c, Factor s) {
  const Vector real = a * c - b * s;
  b = a * s + b * c;
  a = real;
}

// a + ib <- (a + ib) (c - is)
template <class Vector, class Factor>
STRUCTMAT_INLINE void multiply_conjugate(Vector& a, Vector& b, Factor c, Factor s) {
  const Vector real = a * c + b * s;
  b = b * c - a * s;
  a = real;
}

template <class Scalar, int L>
__attribute__((noinline)) Lanes<Scalar, L> load_edge(const Scalar* from, Index count) {
  Lanes<Scalar, L> vector{};
  if (count > 0) std::memcpy(&vector, from, static_cast<std::size_t>(count) * sizeof(Scalar));
  return vector;
}

template <class Scalar, int L>
__attribute__((noinline)) void store_edge(Scalar* to, Lanes<Scalar, L> vector, Index count) {
  if (count > 0) std::memcpy(to, &vector, static_cast<std::size_t>(count) * sizeof(Scalar));
}

// Up to L scalars, `count` or fewer; zeros follow. Nothing beyond them is read or written.
template <class Scalar, int L>
STRUCTMAT_INLINE Lanes<Scalar, L> load_some(const Scalar* from, Index count) {
  if (count >= L) return load<Scalar, L>(from);
  return load_edge<Scalar, L>(from, count);
}

template <class Scalar, int L>
STRUCTMAT_INLINE void store_some(Scalar* to, Lanes<Scalar, L> vector, Index count) {
  if (count >= L) {
    store<Scalar, L>(to, vector);
  } else {
    store_edge<Scalar, L>(to, vector, count);
  }
}

// Shuffles of two registers, whose 128-bit groups hold `group` scalars. Machines shuffle faster
// inside of groups than across them.
template <class Vector>
struct Shuffles {
  static constexpr int L = kLanesOf<Vector>;
  static constexpr int most = 16 / static_cast<int>(sizeof(ScalarOf<Vector>));
  static constexpr int group = most < L ? most : L;
  using Places = std::make_integer_sequence<int, L>;

  // Alternates runs of N scalars of a and b, from half H of each group.
  template <int N, int H>
  static STRUCTMAT_INLINE Vector zip(Vector a, Vector b) {
    return zip<N, H>(a, b, Places{});
  }

  // Every second group of a, then of b, from group H on.
  template <int H>
  static STRUCTMAT_INLINE Vector groups(Vector a, Vector b) {
    return groups<H>(a, b, Places{});
  }

  // Every second scalar of a, then of b, from scalar H on.
  template <int H>
  static STRUCTMAT_INLINE Vector every_second(Vector a, Vector b) {
    return every_second<H>(a, b, Places{});
  }

  // Alternates the scalars of a and b, from half H of each register.
  template <int H>
  static STRUCTMAT_INLINE Vector alternate(Vector a, Vector b) {
    return alternate<H>(a, b, Places{});
  }

 private:
  template <int N, int H, int... J>
  static STRUCTMAT_INLINE Vector zip(Vector a, Vector b, std::integer_sequence<int, J...>) {
    return __builtin_shufflevector(a, b,
                                   (J / group * group + (J % group) / (2 * N) * N + J % N +
                                    H * group / 2 + ((J % group) / N % 2 ? L : 0))...);
  }

  template <int H, int... J>
  static STRUCTMAT_INLINE Vector groups(Vector a, Vector b, std::integer_sequence<int, J...>) {
    return __builtin_shufflevector(a, b, ((2 * (J / group) + H) * group + J % group)...);
  }

  template <int H, int... J>
  static STRUCTMAT_INLINE Vector every_second(Vector a, Vector b,
                                              std::integer_sequence<int, J...>) {
    return __builtin_shufflevector(a, b, (2 * J + H)...);
  }

  template <int H, int... J>
  static STRUCTMAT_INLINE Vector alternate(Vector a, Vector b, std::integer_sequence<int, J...>) {
    return __builtin_shufflevector(a, b, (H * L / 2 + J / 2 + (J % 2 ? L : 0))...);
  }
};

// Transposes L registers: first scalars inside of groups, then groups.
template <class Vector>
STRUCTMAT_INLINE void transpose(Vector* rows) {
  using Shuffle = Shuffles<Vector>;
  constexpr int L = Shuffle::L;
  constexpr int group = Shuffle::group;
  Vector half[L];
  for (int i = 0; i < L; i += 2) {
    half[i] = Shuffle::template zip<1, 0>(rows[i], rows[i + 1]);
    half[i + 1] = Shuffle::template zip<1, 1>(rows[i], rows[i + 1]);
  }
  if constexpr (group == 4) {
    for (int i = 0; i < L; i += 4) {
      rows[i] = Shuffle::template zip<2, 0>(half[i], half[i + 2]);
      rows[i + 1] = Shuffle::template zip<2, 1>(half[i], half[i + 2]);
      rows[i + 2] = Shuffle::template zip<2, 0>(half[i + 1], half[i + 3]);
      rows[i + 3] = Shuffle::template zip<2, 1>(half[i + 1], half[i + 3]);
    }
  } else {
    for (int i = 0; i < L; ++i) rows[i] = half[i];
  }
  if constexpr (L / group == 2) {
    for (int c = 0; c < group; ++c) {
      const Vector a = rows[c];
      const Vector b = rows[group + c];
      rows[c] = Shuffle::template groups<0>(a, b);
      rows[group + c] = Shuffle::template groups<1>(a, b);
    }
  }
  if constexpr (L / group == 4) {
    for (int c = 0; c < group; ++c) {
      const Vector a = Shuffle::template groups<0>(rows[c], rows[group + c]);
      const Vector b = Shuffle::template groups<1>(rows[c], rows[group + c]);
      const Vector d = Shuffle::template groups<0>(rows[2 * group + c], rows[3 * group + c]);
      const Vector e = Shuffle::template groups<1>(rows[2 * group + c], rows[3 * group + c]);
      rows[c] = Shuffle::template groups<0>(a, d);
      rows[2 * group + c] = Shuffle::template groups<1>(a, d);
      rows[group + c] = Shuffle::template groups<0>(b, e);
      rows[3 * group + c] = Shuffle::template groups<1>(b, e);
    }
  }
}

// Real and imaginary parts of L complex numbers that lie one after the other in two registers.
template <class Vector>
STRUCTMAT_INLINE void deinterleave(Vector& a, Vector& b) {
  const Vector real = Shuffles<Vector>::template every_second<0>(a, b);
  b = Shuffles<Vector>::template every_second<1>(a, b);
  a = real;
}

template <class Vector>
STRUCTMAT_INLINE void interleave(Vector& a, Vector& b) {
  const Vector first = Shuffles<Vector>::template alternate<0>(a, b);
  b = Shuffles<Vector>::template alternate<1>(a, b);
  a = first;
}

}  // namespace structmat::STRUCTMAT_ISA
