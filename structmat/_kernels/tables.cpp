#include "tables.hpp"

#include <cstdint>

#include "roots.hpp"

namespace structmat {
namespace {

Index period_of(const PlanSize& size) { return size.root == 1 ? size.n : 2 * size.n; }

// Walks the tree as the kernels do. A block of M entries with the frequency F is modulo
// z^M - exp(-2 pi i F M / period); part j of a pass of radix R has the frequency F + j period / M.
template <class Scalar>
class Builder {
 public:
  Builder(const PlanSize& size, int lanes, Shape shape)
      : lanes_(lanes), period_(period_of(size)), shape_(std::move(shape)), roots_(period_) {
    const Index points = size.n / lanes;
    if (size.is_complex) {
      block(size.root == 1 ? 0 : 1, points);
    } else if (size.root == 1) {
      cyclic(points);
    } else {
      block(3, points / 2);
    }
  }

  std::vector<signed char> steps;
  std::vector<Scalar> factors;
  Index spectrum_size = 0;

 private:
  // The power by which the first of the factors of a pass exceeds the one before it.
  Index exponent(Index frequency, Index part_size) const {
    return frequency % (period_ / part_size) * part_size;
  }

  Index next(Index power, Index by) const {
    return power >= period_ - by ? power - (period_ - by) : power + by;
  }

  void add_pass(Index frequency, Index part_size, int radix) {
    const std::size_t start = factors.size();
    const Index by = exponent(frequency, part_size);
    Index power = 0;
    for (int k = 1; k < radix; ++k) {
      power = next(power, by);
      const Root root = roots_(power);
      factors.push_back(static_cast<Scalar>(root.cosine));
      factors.push_back(static_cast<Scalar>(root.sine));
    }
    factors.resize(start + static_cast<std::size_t>(pass_table_size(radix, lanes_)));
  }

  // The lane of a tile is the number of a block modulo z^lanes - w. Blocks beyond `count` are zero.
  void add_tile(Index frequency, Index step, int count) {
    const std::size_t start = factors.size();
    factors.resize(start + static_cast<std::size_t>(tile_table_size(lanes_)));
    for (int lane = 0; lane < count; ++lane) {
      Scalar* place = factors.data() + start + lane;
      const Index by = exponent(frequency, 1);
      Index power = 0;
      for (int k = 1; k < lanes_; ++k) {
        power = next(power, by);
        const Root root = roots_(power);
        place[0] = static_cast<Scalar>(root.cosine);
        place[lanes_] = static_cast<Scalar>(root.sine);
        place += 2 * lanes_;
      }
      frequency += step;
    }
  }

  void leaf(Index frequency, int radix) {
    add_pass(frequency, lanes_, radix);
    spectrum_size += 2 * lanes_ * leaf_frequencies(radix, lanes_);
    if (lanes_ == 1) return;
    const Index step = period_ / (Index(radix) * lanes_);
    for (int first = 0; first < radix; first += lanes_) {
      const int count = radix - first < lanes_ ? radix - first : lanes_;
      add_tile(frequency + first * step, step, count);
    }
  }

  void block(Index frequency, Index points) {
    const int radix = shape_.block_radix(points);
    steps.push_back(static_cast<signed char>(radix));
    if (radix == points) return leaf(frequency, radix);
    const Index part = points / radix;
    add_pass(frequency, part * lanes_, radix);
    for (int j = 0; j < radix; ++j) {
      block((frequency + j * (period_ / (points * lanes_))) % period_, part);
    }
  }

  // A real block modulo z^(2 M) + 1 as a complex one of M entries, modulo z^M - i.
  void middle_block(Index points) { block(3 * (period_ / (4 * points * lanes_)), points); }

  void point() { spectrum_size += 2; }

  void cyclic(Index points) {
    const int radix = shape_.cyclic_radix(points);
    steps.push_back(static_cast<signed char>(radix));
    if (radix == 1) {
      if (lanes_ == 1) return point();
      return block(0, points);
    }
    const Index part = points / radix;
    cyclic(part);
    if (radix % 2 != 0) {
      for (int k = 1; k <= radix / 2; ++k) block(k * (period_ / (points * lanes_)), part);
      return;
    }
    if (part == 1) {
      point();
    } else {
      middle_block(part / 2);
    }
    if (radix == 4) middle_block(part);
  }

  const int lanes_;
  const Index period_;
  Shape shape_;
  const Roots roots_;
};

// Points whose distances are powers of two need empty lines between them; if the number of points
// is divisible by few powers of two, parts would lie across the lines.
bool needs_gaps(Index points, Index run) {
  const Index power = points & -points;
  return power == points || power >= run;
}

}  // namespace

bool is_supported(const PlanSize& size) {
  if (size.n < 1 || (size.root == -1 && !size.is_complex && size.n % 2 != 0)) return false;
  Index rest = size.n;
  for (const Index factor : {2, 3, 5, 7}) {
    while (rest % factor == 0) rest /= factor;
  }
  return rest == 1;
}

bool fits_along(const PlanSize& size, int lanes) {
  const bool in_halves = size.root == -1 && !size.is_complex;
  return size.n % (Index(lanes) * (in_halves ? 2 : 1) * (lanes == 16 ? 16 : 1)) == 0;
}

template <class Scalar>
Tables<Scalar>::Tables(const PlanSize& size, int lanes, int vector_bytes) {
  const Index run = 4096 / vector_bytes;
  const Index points = size.n / lanes / (size.root == -1 && !size.is_complex ? 2 : 1);
  const bool gaps = needs_gaps(points, run);
  if (gaps) gap = vector_bytes < 64 ? 64 / vector_bytes : 1;
  Builder<Scalar> built(size, lanes, Shape(lanes, vector_bytes, gaps ? run : 0));
  steps = std::move(built.steps);
  memory = std::move(built.factors);
  spectrum_size = built.spectrum_size;
  const std::size_t most_before = 64 / sizeof(Scalar);
  memory.resize(memory.size() + most_before);
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::size_t before = (64 - address % 64) % 64 / sizeof(Scalar);
  for (std::size_t k = memory.size(); k-- > before;) memory[k] = memory[k - before];
  factors = memory.data() + before;
}

template <class Scalar>
Index Tables<Scalar>::bytes() const {
  return static_cast<Index>(steps.size() + memory.size() * sizeof(Scalar));
}

template struct Tables<float>;
template struct Tables<double>;

}  // namespace structmat
