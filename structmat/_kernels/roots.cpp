#include "roots.hpp"

#include <cmath>

namespace structmat {
namespace {

struct LongRoot {
  long double cosine;
  long double sine;
};

// From an angle of at most pi / 4, so that 0, 1 and sqrt(1/2) are exact or correctly rounded.
LongRoot precise_root(Index k, Index period) {
  const Index octant = 8 * k / period;
  const Index beyond = 8 * k - octant * period;
  const Index eighths = octant % 2 != 0 ? period - beyond : beyond;
  const long double angle = 0.785398163397448309615660845819875721L *
                            static_cast<long double>(eighths) / static_cast<long double>(period);
  const long double c = std::cos(angle);
  const long double s = std::sin(angle);
  switch (octant) {
    case 0:
      return {c, -s};
    case 1:
      return {s, -c};
    case 2:
      return {-s, -c};
    case 3:
      return {-c, -s};
    case 4:
      return {-c, s};
    case 5:
      return {-s, c};
    case 6:
      return {s, c};
    default:
      return {c, s};
  }
}

Root rounded(const LongRoot& root) {
  return {static_cast<double>(root.cosine), static_cast<double>(root.sine)};
}

}  // namespace

Roots::Roots(Index period) : bits_(0) {
  while ((period >> bits_) > (Index(1) << bits_)) ++bits_;
  mask_ = (Index(1) << bits_) - 1;
  for (Index k = 0; k < period; k += mask_ + 1) {
    const LongRoot root = precise_root(k, period);
    const Root head = rounded(root);
    coarse_.push_back({head, rounded({root.cosine - head.cosine, root.sine - head.sine})});
  }
  for (Index k = 0; k <= mask_ && k < period; ++k) {
    const LongRoot root = precise_root(k, period);
    const LongRoot half = precise_root(k, 2 * period);
    // cos(2 a) - 1 = -2 sin(a)^2 does not cancel
    fine_.push_back(rounded({-2 * half.sine * half.sine, root.sine}));
  }
}

Root Roots::operator()(Index k) const {
  const Coarse& coarse = coarse_[static_cast<std::size_t>(k >> bits_)];
  const Root& fine = fine_[static_cast<std::size_t>(k & mask_)];
  const Root& a = coarse.root;
  return {a.cosine + (coarse.rest.cosine + (a.cosine * fine.cosine - a.sine * fine.sine)),
          a.sine + (coarse.rest.sine + (a.cosine * fine.sine + a.sine * fine.cosine))};
}

}  // namespace structmat
