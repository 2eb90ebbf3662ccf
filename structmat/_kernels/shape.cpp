#include "shape.hpp"

#include <limits>

namespace structmat {
namespace {

constexpr double never = std::numeric_limits<double>::infinity();
constexpr double call_cost = 10;

// Instructions of a transform of `radix` complex points.
double dft_cost(int radix) {
  switch (radix) {
    case 1:
      return 0;
    case 2:
      return 4;
    case 3:
      return 14;
    case 4:
      return 16;
    case 5:
      return 36;
    case 6:
      return 40;
    case 7:
      return 66;
    case 8:
      return 60;
    default:
      return 168;
  }
}

double multiplications_cost(int count) { return 4.0 * count; }

}  // namespace

bool Shape::is_whole(Index part) const { return run_ == 0 || part % run_ == 0 || run_ % part == 0; }

// Of the loads and stores of one point, real and imaginary part, by the size of the block.
double Shape::memory_cost(Index points) const {
  const Index bytes = 2 * points * vector_bytes_;
  if (bytes <= 1 << 15) return 4;
  return bytes <= 1 << 19 ? 8 : 16;
}

double Shape::leaf_cost(int radix) const {
  if (lanes_ == 16 && radix != 16) return never;
  if (lanes_ != 16 && radix > 8) return never;
  const double frequencies = static_cast<double>(leaf_frequencies(radix, lanes_));
  double cost = call_cost + memory_cost(1) * (radix + 2 * frequencies);
  cost += dft_cost(radix) + multiplications_cost(radix - 1);
  if (lanes_ == 1) return cost;
  double shuffles = 0;
  for (int apart = 1; apart < lanes_; apart *= 2) shuffles += 2 * lanes_;
  const double tile = shuffles + dft_cost(lanes_) + 1.5 * multiplications_cost(lanes_ - 1);
  return cost + frequencies / lanes_ * tile;
}

Shape::Choice Shape::block(Index points) {
  const auto known = blocks_.find(points);
  if (known != blocks_.end()) return known->second;
  Choice best{0, never};
  if (points <= 16) best = {static_cast<int>(points), leaf_cost(static_cast<int>(points))};
  for (const int radix : {8, 7, 5, 4, 3, 2}) {
    const Index part = points / radix;
    if (points % radix != 0 || points == radix || !is_whole(part)) continue;
    const double butterfly =
        radix * memory_cost(points) + dft_cost(radix) + multiplications_cost(radix - 1);
    const double cost =
        call_cost + static_cast<double>(part) * butterfly + radix * block(part).cost;
    if (cost < best.cost) best = {radix, cost};
  }
  return blocks_[points] = best;
}

Shape::Choice Shape::cyclic(Index points) {
  const auto known = cyclics_.find(points);
  if (known != cyclics_.end()) return known->second;
  Choice best{1, never};
  if (lanes_ > 1 && points <= most_last_points) {
    best.cost = block(points).cost + static_cast<double>(points) * memory_cost(points);
  } else if (points == 1) {
    best.cost = call_cost;
  }
  for (const int radix : {7, 5, 4, 3, 2}) {
    const Index part = points / radix;
    if (points % radix != 0 || !is_whole(part)) continue;
    double parts = cyclic(part).cost;
    if (radix % 2 != 0) {
      parts += radix / 2 * block(part).cost;
    } else if (part % 2 == 0 && is_whole(part / 2)) {
      parts += block(part / 2).cost + (radix == 4 ? block(part).cost : 0);
    } else if (part == 1 && lanes_ == 1) {
      parts += call_cost + (radix == 4 ? block(part).cost : 0);
    } else {
      continue;
    }
    const double butterfly = 0.5 * (radix * memory_cost(points / 2) + dft_cost(radix));
    const double cost = call_cost + static_cast<double>(part) * butterfly + parts;
    if (cost < best.cost) best = {radix, cost};
  }
  return cyclics_[points] = best;
}

}  // namespace structmat
