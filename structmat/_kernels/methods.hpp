// The methods of plans: each checks its arguments and calls the kernel. The documentation strings
// in plan_type.cpp explain the arguments.
#pragma once

#include "arguments.hpp"

namespace structmat {

// The vectors of a plan.
struct Vectors {
  Index n;       // length of a block
  Index blocks;  // with a column each
  Index input;   // entries of an input of the matrix
  Index output;
  const Entry* entry;
  const Entry* scalar;  // entry of spectra, tapes and sums
};

struct Spectrum {
  static constexpr const char* name = "spectrum";
  static constexpr Py_ssize_t arguments = 2;
  template <class Scalar>
  static void run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args);
};

struct Column {
  static constexpr const char* name = "column";
  static constexpr Py_ssize_t arguments = 2;
  template <class Scalar>
  static void run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args);
};

struct Product {
  static constexpr const char* name = "product";
  static constexpr Py_ssize_t arguments = 8;
  template <class Scalar>
  static void run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args);
};

struct Gradient {
  static constexpr const char* name = "gradient";
  static constexpr Py_ssize_t arguments = 10;
  template <class Scalar>
  static void run(const Vectors& vectors, const Plan<Scalar>& kernel, PyObject* const* args);
};

}  // namespace structmat
