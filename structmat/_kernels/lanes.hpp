// The lane type: as many scalars as a vector register holds, by the vector extensions of GCC and Clang.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#define STRUCTMAT_INLINE inline __attribute__((always_inline))

#ifndef STRUCTMAT_WIDEST
#if defined(__AVX512F__)
#define STRUCTMAT_WIDEST 64
#elif defined(__AVX__)
#define STRUCTMAT_WIDEST 32
#else
#define STRUCTMAT_WIDEST 16
#endif
#endif

namespace structmat::STRUCTMAT_ISA {

template <class Scalar>
constexpr int kLanes = STRUCTMAT_WIDEST / sizeof(Scalar);

template <class Scalar, int lanes>
struct LaneType {
  typedef Scalar type __attribute__((vector_size(lanes * sizeof(Scalar))));
};

template <class Scalar, int lanes>
using Lanes = typename LaneType<Scalar, lanes>::type;

template <class Scalar, int lanes>
STRUCTMAT_INLINE Lanes<Scalar, lanes> load(const Scalar* from) {
  Lanes<Scalar, lanes> a;
  std::memcpy(&a, from, sizeof a);
  return a;
}

template <class Scalar, int lanes>
STRUCTMAT_INLINE void store(Scalar* to, Lanes<Scalar, lanes> a) {
  std::memcpy(to, &a, sizeof a);
}

}  // namespace structmat::STRUCTMAT_ISA
