// Discrete Fourier transforms of few points in registers: a + ib holds R complex vectors, and the
// kernel is exp(-2 pi i j k / R). The inverse transforms, not divided by R, are the same functions
// with real and imaginary parts exchanged: dft<R>(b, a).
//
// A new radix needs its case in `dft`, in the switches of passes.hpp or leaves.hpp, and in the
// lists of shape.cpp, which decides where it is used.
#pragma once

#include "registers.hpp"

namespace structmat::STRUCTMAT_ISA {

// Cosines and sines of 2 pi k / R.
template <class Scalar, int R>
struct Circle;

template <class Scalar>
struct Circle<Scalar, 3> {
  static constexpr Scalar c1 = Scalar(-0.5L);
  static constexpr Scalar s1 = Scalar(0.86602540378443864676L);
  static constexpr Scalar cosine[3] = {Scalar(1), c1, c1};
  static constexpr Scalar sine[3] = {Scalar(0), s1, -s1};
};

template <class Scalar>
struct Circle<Scalar, 5> {
  static constexpr Scalar c1 = Scalar(0.30901699437494742410L);
  static constexpr Scalar c2 = Scalar(-0.80901699437494742410L);
  static constexpr Scalar s1 = Scalar(0.95105651629515357212L);
  static constexpr Scalar s2 = Scalar(0.58778525229247312917L);
  static constexpr Scalar cosine[5] = {Scalar(1), c1, c2, c2, c1};
  static constexpr Scalar sine[5] = {Scalar(0), s1, s2, -s2, -s1};
};

template <class Scalar>
struct Circle<Scalar, 7> {
  static constexpr Scalar c1 = Scalar(0.62348980185873353053L);
  static constexpr Scalar c2 = Scalar(-0.22252093395631440429L);
  static constexpr Scalar c3 = Scalar(-0.90096886790241912624L);
  static constexpr Scalar s1 = Scalar(0.78183148246802980871L);
  static constexpr Scalar s2 = Scalar(0.97492791218182360702L);
  static constexpr Scalar s3 = Scalar(0.43388373911755812048L);
  static constexpr Scalar cosine[7] = {Scalar(1), c1, c2, c3, c3, c2, c1};
  static constexpr Scalar sine[7] = {Scalar(0), s1, s2, s3, -s3, -s2, -s1};
};

template <class Vector>
STRUCTMAT_INLINE void dft2(Vector* a, Vector* b) {
  const Vector real = a[0] - a[1];
  const Vector imaginary = b[0] - b[1];
  a[0] += a[1];
  b[0] += b[1];
  a[1] = real;
  b[1] = imaginary;
}

template <class Vector>
STRUCTMAT_INLINE void dft4(Vector* a, Vector* b) {
  const Vector s0 = a[0] + a[2], d0 = a[0] - a[2];
  const Vector s1 = a[1] + a[3], d1 = a[1] - a[3];
  const Vector t0 = b[0] + b[2], e0 = b[0] - b[2];
  const Vector t1 = b[1] + b[3], e1 = b[1] - b[3];
  a[0] = s0 + s1;
  b[0] = t0 + t1;
  a[1] = d0 + e1;
  b[1] = e0 - d1;
  a[2] = s0 - s1;
  b[2] = t0 - t1;
  a[3] = d0 - e1;
  b[3] = e0 + d1;
}

// Two transforms of 4 points: of sums, and of differences times exp(-2 pi i j / 8).
template <class Vector>
STRUCTMAT_INLINE void dft8(Vector* a, Vector* b) {
  constexpr auto root = ScalarOf<Vector>(0.70710678118654752440L);
  const Vector a1 = a[1] - a[5], b1 = b[1] - b[5];
  const Vector a3 = a[3] - a[7], b3 = b[3] - b[7];
  Vector even_a[4] = {a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]};
  Vector even_b[4] = {b[0] + b[4], b[1] + b[5], b[2] + b[6], b[3] + b[7]};
  Vector odd_a[4] = {a[0] - a[4], (a1 + b1) * root, b[2] - b[6], (b3 - a3) * root};
  Vector odd_b[4] = {b[0] - b[4], (b1 - a1) * root, a[6] - a[2], (a3 + b3) * -root};
  dft4(even_a, even_b);
  dft4(odd_a, odd_b);
  for (int k = 0; k < 4; ++k) {
    a[2 * k] = even_a[k];
    b[2 * k] = even_b[k];
    a[2 * k + 1] = odd_a[k];
    b[2 * k + 1] = odd_b[k];
  }
}

// Four transforms of 4 points over j1 of j = j0 + 4 j1, twiddle factors, and four over j0.
template <class Vector>
STRUCTMAT_INLINE void dft16(Vector* a, Vector* b) {
  using Scalar = ScalarOf<Vector>;
  constexpr Scalar c1 = Scalar(0.92387953251128675613L);
  constexpr Scalar c2 = Scalar(0.70710678118654752440L);
  constexpr Scalar c3 = Scalar(0.38268343236508977173L);
  constexpr Scalar cosine[10] = {1, c1, c2, c3, 0, -c3, -c2, -c1, -1, -c1};
  constexpr Scalar sine[10] = {0, -c3, -c2, -c1, -1, -c1, -c2, -c3, 0, c3};
  Vector x[4][4];  // x[k1][j0]
  Vector y[4][4];
  for (int j0 = 0; j0 < 4; ++j0) {
    Vector p[4] = {a[j0], a[j0 + 4], a[j0 + 8], a[j0 + 12]};
    Vector q[4] = {b[j0], b[j0 + 4], b[j0 + 8], b[j0 + 12]};
    dft4(p, q);
    for (int k1 = 0; k1 < 4; ++k1) {
      if (j0 * k1 > 0) multiply(p[k1], q[k1], cosine[j0 * k1], sine[j0 * k1]);
      x[k1][j0] = p[k1];
      y[k1][j0] = q[k1];
    }
  }
  for (int k1 = 0; k1 < 4; ++k1) {
    dft4(x[k1], y[k1]);
    for (int k0 = 0; k0 < 4; ++k0) {
      a[k1 + 4 * k0] = x[k1][k0];
      b[k1 + 4 * k0] = y[k1][k0];
    }
  }
}

// The points j and R - j are added and subtracted first: cosines are even, sines are odd.
template <int R, class Vector>
STRUCTMAT_INLINE void dft_odd(Vector* a, Vector* b) {
  using Roots = Circle<ScalarOf<Vector>, R>;
  constexpr int half = R / 2;
  const Vector first_a = a[0], first_b = b[0];
  Vector sum_a[half], sum_b[half];
  Vector difference_a[half], difference_b[half];
  for (int j = 1; j <= half; ++j) {
    sum_a[j - 1] = a[j] + a[R - j];
    sum_b[j - 1] = b[j] + b[R - j];
    difference_a[j - 1] = a[j] - a[R - j];
    difference_b[j - 1] = b[j] - b[R - j];
    a[0] += sum_a[j - 1];
    b[0] += sum_b[j - 1];
  }
  for (int k = 1; k <= half; ++k) {
    Vector even_a = first_a, even_b = first_b;
    Vector odd_a{}, odd_b{};
    for (int j = 1; j <= half; ++j) {
      even_a += sum_a[j - 1] * Roots::cosine[j * k % R];
      even_b += sum_b[j - 1] * Roots::cosine[j * k % R];
      odd_a += difference_b[j - 1] * Roots::sine[j * k % R];
      odd_b += difference_a[j - 1] * Roots::sine[j * k % R];
    }
    a[k] = even_a + odd_a;
    b[k] = even_b - odd_b;
    a[R - k] = even_a - odd_a;
    b[R - k] = even_b + odd_b;
  }
}

// 2 and 3 are coprime: with j = 3 j0 + 2 j1 and k = 3 k0 + 4 k1 (mod 6), j k = 3 j0 k0 + 2 j1 k1
// (mod 6), and no twiddle factors are needed (Good and Thomas).
template <class Vector>
STRUCTMAT_INLINE void dft6(Vector* a, Vector* b) {
  Vector x[2][3];  // x[k0][j1]
  Vector y[2][3];
  for (int j1 = 0; j1 < 3; ++j1) {
    const int first = 2 * j1;
    const int second = (3 + 2 * j1) % 6;
    x[0][j1] = a[first] + a[second];
    y[0][j1] = b[first] + b[second];
    x[1][j1] = a[first] - a[second];
    y[1][j1] = b[first] - b[second];
  }
  for (int k0 = 0; k0 < 2; ++k0) {
    dft_odd<3>(x[k0], y[k0]);
    for (int k1 = 0; k1 < 3; ++k1) {
      a[(3 * k0 + 4 * k1) % 6] = x[k0][k1];
      b[(3 * k0 + 4 * k1) % 6] = y[k0][k1];
    }
  }
}

template <int R, class Vector>
STRUCTMAT_INLINE void dft(Vector* a, Vector* b) {
  if constexpr (R == 2) dft2(a, b);
  if constexpr (R == 4) dft4(a, b);
  if constexpr (R == 6) dft6(a, b);
  if constexpr (R == 8) dft8(a, b);
  if constexpr (R == 16) dft16(a, b);
  if constexpr (R == 3 || R == 5 || R == 7) dft_odd<R>(a, b);
}

// Real remainders modulo z^4 - 1 (in general z^(4q) - 1): a modulo z - 1, c modulo z + 1, and b, d
// modulo z^2 + 1. `join4` inverts this up to the factor 4, where b and d weigh twice.
template <class Vector>
STRUCTMAT_INLINE void split4(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector even_sum = a + c, even_difference = a - c;
  const Vector odd_sum = b + d, odd_difference = b - d;
  a = even_sum + odd_sum;
  b = even_difference;
  c = even_sum - odd_sum;
  d = odd_difference;
}

template <class Vector>
STRUCTMAT_INLINE void join4(Vector& a, Vector& b, Vector& c, Vector& d) {
  const Vector even_sum = a + c, odd_sum = a - c;
  const Vector even_difference = b, odd_difference = d;
  a = even_sum + even_difference;
  b = odd_sum + odd_difference;
  c = even_sum - even_difference;
  d = odd_sum - odd_difference;
}

// R real points to the real frequency 0 and the frequencies k = 1 ... R / 2, whose real part is
// a[k] and whose imaginary part is a[R - k]. `join_odd` inverts this up to the factor R, if the
// frequencies k > 0 come twice as large, for themselves and for their conjugates.
template <int R, class Vector>
STRUCTMAT_INLINE void split_odd(Vector* a) {
  using Roots = Circle<ScalarOf<Vector>, R>;
  constexpr int half = R / 2;
  const Vector first = a[0];
  Vector sum[half], difference[half];
  for (int j = 1; j <= half; ++j) {
    sum[j - 1] = a[j] + a[R - j];
    difference[j - 1] = a[j] - a[R - j];
    a[0] += sum[j - 1];
  }
  for (int k = 1; k <= half; ++k) {
    Vector real = first, imaginary{};
    for (int j = 1; j <= half; ++j) {
      real += sum[j - 1] * Roots::cosine[j * k % R];
      imaginary -= difference[j - 1] * Roots::sine[j * k % R];
    }
    a[k] = real;
    a[R - k] = imaginary;
  }
}

template <int R, class Vector>
STRUCTMAT_INLINE void join_odd(Vector* a) {
  using Roots = Circle<ScalarOf<Vector>, R>;
  constexpr int half = R / 2;
  const Vector first = a[0];
  Vector real[half], imaginary[half];
  for (int k = 1; k <= half; ++k) {
    real[k - 1] = a[k];
    imaginary[k - 1] = a[R - k];
    a[0] += real[k - 1];
  }
  for (int j = 1; j <= half; ++j) {
    Vector even = first, odd{};
    for (int k = 1; k <= half; ++k) {
      even += real[k - 1] * Roots::cosine[j * k % R];
      odd += imaginary[k - 1] * Roots::sine[j * k % R];
    }
    a[j] = even - odd;
    a[R - j] = even + odd;
  }
}

}  // namespace structmat::STRUCTMAT_ISA
