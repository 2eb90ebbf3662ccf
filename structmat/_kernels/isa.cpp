// The kernels of one instruction set: this file is compiled once for each. Everything that depends
// on the set is in a namespace of its name, so that the linker cannot mix them.

#ifndef STRUCTMAT_ISA
#error "STRUCTMAT_ISA must be the name of an instruction set"
#endif

#include "blocks.hpp"
#include "cpu.hpp"
#include "walsh.hpp"

#define STRUCTMAT_JOIN(a, b) a##b
#define STRUCTMAT_JOINED(a, b) STRUCTMAT_JOIN(a, b)
#define STRUCTMAT_QUOTE(a) #a
#define STRUCTMAT_QUOTED(a) STRUCTMAT_QUOTE(a)

namespace structmat {
namespace STRUCTMAT_ISA {
namespace {

template <class Scalar, int L, bool along>
std::unique_ptr<Plan<Scalar>> make(const PlanSize& size) {
  using Base = std::unique_ptr<Plan<Scalar>>;
  if (size.p * size.q > 1) {
    if (size.is_complex) return Base(new BlockConvolution<Scalar, L, along, true>(size));
    return Base(new BlockConvolution<Scalar, L, along, false>(size));
  }
  if (size.is_complex) return Base(new Convolution<Scalar, L, along, true>(size));
  return Base(new Convolution<Scalar, L, along, false>(size));
}

template <class Scalar>
std::unique_ptr<Plan<Scalar>> plan(const PlanSize& size) {
  constexpr int widest = kLanes<Scalar>;
  constexpr int middle = 32 / sizeof(Scalar);
  constexpr int narrow = 16 / sizeof(Scalar);
  const LongRows& from = long_rows();
  if (size.n >= from.along || !size.batched) {
    if constexpr (widest > middle) {
      if (size.n >= from.in_64_bytes && fits_along(size, widest)) {
        return make<Scalar, widest, true>(size);
      }
    }
    if constexpr (widest >= middle) {
      const bool is_fast = widest == middle || size.n >= from.in_32_bytes || !size.batched;
      if (is_fast && fits_along(size, middle)) return make<Scalar, middle, true>(size);
    }
    if (widest == narrow || !size.batched) {
      if (fits_along(size, narrow)) return make<Scalar, narrow, true>(size);
    }
  }
  return make<Scalar, widest, false>(size);
}

}  // namespace
}  // namespace STRUCTMAT_ISA

const Kernels& STRUCTMAT_JOINED(kernels_, STRUCTMAT_ISA)() {
  static const Kernels kernels{STRUCTMAT_QUOTED(STRUCTMAT_ISA), STRUCTMAT_ISA::plan<float>,
                               STRUCTMAT_ISA::plan<double>, STRUCTMAT_ISA::walsh<float>,
                               STRUCTMAT_ISA::walsh<double>};
  return kernels;
}

}  // namespace structmat
