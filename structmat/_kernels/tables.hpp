// What the kernels read in the order of the recursion, whatever the instruction set: the radix of
// each block and its twiddle factors.
#pragma once

#include <vector>

#include "shape.hpp"

namespace structmat {

template <class Scalar>
struct Tables {
  // `lanes` scalars of a row are a point, and a register has `vector_bytes`.
  Tables(const PlanSize& size, int lanes, int vector_bytes);

  Index bytes() const;

  std::vector<signed char> steps;
  std::vector<Scalar> memory;       // of the factors, and some scalars before them
  const Scalar* factors = nullptr;  // aligned to 64 bytes
  Index spectrum_size = 0;          // scalars
  Index gap = 0;                    // points of an empty line
};

// Whether rows of this size can be split along, into registers of `lanes` scalars.
bool fits_along(const PlanSize& size, int lanes);

}  // namespace structmat
