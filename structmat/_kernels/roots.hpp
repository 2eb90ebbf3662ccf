// Roots of unity in double precision, many of them fast.
#pragma once

#include <vector>

#include "kernels.hpp"

namespace structmat {

struct Root {
  double cosine;
  double sine;
};

// exp(-2 pi i k / period) for 0 <= k < period. k = fine + coarse step, and the root is the product
// of one from each of two tables of about sqrt(period) entries. An error is at most 1.1 half ulps
// of 1.
class Roots {
 public:
  explicit Roots(Index period);
  Root operator()(Index k) const;

 private:
  struct Coarse {
    Root root;
    Root rest;  // what rounding took from it, where `long double` knows it
  };

  Index mask_;
  int bits_;
  std::vector<Coarse> coarse_;
  std::vector<Root> fine_;  // minus 1
};

}  // namespace structmat
