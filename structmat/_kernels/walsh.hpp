// Fast Walsh-Hadamard transform of rows, in the natural order of Sylvester.
//
// A row of n = width * 2^k scalars is a sequence of 2^k runs of `width` scalars. Each of k levels
// adds and subtracts the runs that lie a certain power of two apart; levels commute. A pass takes
// several levels while the scalars are in registers. The first one takes the levels of neighbours
// and those inside of registers, by shuffles, so that it reads x in order; the runs of the others
// are ever further apart. They follow as soon as the parts that they join are there, and these are
// in a cache still.
//
// Sums of integers are exact: before the factors there are only additions, subtractions and
// multiplications by 1 and -1.
#pragma once

#include <algorithm>
#include <utility>

#include "lanes.hpp"
#include "scratch.hpp"

namespace structmat::STRUCTMAT_ISA {

// A row before and after the transform, and its factors. A null pointer stands for ones.
template <class Scalar>
struct WalshRow {
  const Scalar* x;
  Scalar* y;
  const Scalar* before;
  const Scalar* after;
  Scalar scale;

  WalshRow at(Index j) const {
    return {x + j, y + j, before == nullptr ? nullptr : before + j,
            after == nullptr ? nullptr : after + j, scale};
  }
};

// What a pass does besides additions and subtractions.
enum WalshDuty : int {
  kFirst = 1,   // it takes the levels inside of registers
  kBefore = 2,  // it multiplies by `before`
  kLast = 4,    // it multiplies by `scale`
  kAfter = 8,   // it multiplies by `after`
};

// The transform of rows whose runs are shorter than a register and a power of two, the number
// `distance` of scalars; or, if `distance` is 0, of rows whose runs have any other width.
template <class Scalar, int distance>
class Walsh {
 public:
  using Row = WalshRow<Scalar>;

  static void transform(const Row& row, Index n, Index width) {
    if constexpr (distance > 0) {
      if (n < kLanes<Scalar>) {
        transform_short<kLanes<Scalar> / 2>(row, n);
        return;
      }
    }
    const Index run = distance > 0 ? kLanes<Scalar> : width;
    int levels = 0;
    while (run << levels < n) {
      ++levels;
    }
    split<kLast>(row, run, levels);
  }

 private:
  // Levels of a pass. Its 2^levels streams must fit into the sets of a cache that they share if they
  // lie a power of two apart.
  static constexpr int kLevels = 3;

  // Takes the levels between 2^levels runs, and those inside of registers. Where the levels are no
  // multiple of kLevels the last pass takes the fewer ones.
  template <int last>
  static void split(const Row& row, Index run, int levels) {
    if (levels <= kLevels) {
      choose_pass<kLevels, kFirst | last>(row, run, levels, 1);
      return;
    }
    const int now = (levels - 1) % kLevels + 1;
    const int before = levels - now;
    const Index parts = Index(1) << now;
    const Index step = run << before;
    if (before == kLevels) {
      choose_pass<kLevels, kFirst>(row, run, kLevels, parts);
    } else {
      for (Index part = 0; part < parts; ++part) {
        split<0>(row.at(part * step), run, before);
      }
    }
    choose_pass<kLevels, last>({row.y, row.y, nullptr, row.after, row.scale}, step, now, 1);
  }

  // Calls the pass with so many levels, `most` at most, and with the factors that the row has.
  template <int most, int duty>
  static void choose_pass(const Row& row, Index step, int levels, Index parts) {
    if constexpr (most > 0) {
      if (levels < most) {
        choose_pass<most - 1, duty>(row, step, levels, parts);
        return;
      }
    }
    constexpr int radix = 1 << most;
    constexpr int before = (duty & kFirst) != 0 ? kBefore : 0;
    constexpr int after = (duty & kLast) != 0 ? kAfter : 0;
    if (after == 0 || row.after == nullptr) {
      row.before == nullptr ? pass<radix, duty>(row, step, parts)
                            : pass<radix, duty | before>(row, step, parts);
    } else {
      row.before == nullptr ? pass<radix, duty | after>(row, step, parts)
                            : pass<radix, duty | before | after>(row, step, parts);
    }
  }

  // Transforms consecutive parts, each of `radix` streams of `step` scalars.
  template <int radix, int duty>
  static void pass(const Row& row, Index step, Index parts) {
    constexpr int lanes = kLanes<Scalar>;
    for (Index part = 0; part < parts; ++part) {
      if constexpr (distance > 0 && (duty & kFirst) != 0) {
        group<lanes, radix, duty>(row.at(part * radix * lanes), lanes);
      } else {
        const Row streams = row.at(part * radix * step);
        Index j = groups<lanes, radix, duty>(streams, step, 0);
        if constexpr (distance == 0) {
          j = groups<(lanes > 4 ? 4 : 2), radix, duty>(streams, step, j);
          groups<1, radix, duty>(streams, step, j);
        }
      }
    }
  }

  // Transforms the streams from their scalars j on, `lanes` at once; returns the j that is left.
  template <int lanes, int radix, int duty>
  static STRUCTMAT_INLINE Index groups(const Row& streams, Index step, Index j) {
    for (; j + lanes <= step; j += lanes) {
      group<lanes, radix, duty>(streams.at(j), step);
    }
    return j;
  }

  // Transforms the first `lanes` scalars of each stream.
  template <int lanes, int radix, int duty>
  static STRUCTMAT_INLINE void group(const Row& streams, Index step) {
    Lanes<Scalar, lanes> vectors[radix];
    for (int k = 0; k < radix; ++k) {
      vectors[k] = load<Scalar, lanes>(streams.x + k * step);
      if constexpr ((duty & kBefore) != 0) {
        vectors[k] *= load<Scalar, lanes>(streams.before + k * step);
      }
    }
    add_and_subtract<lanes, radix>(vectors);
    for (int k = 0; k < radix; ++k) {
      if constexpr (distance > 0 && (duty & kFirst) != 0) {
        vectors[k] = inside<lanes, distance>(vectors[k]);
      }
      if constexpr ((duty & kAfter) != 0) {
        vectors[k] *= load<Scalar, lanes>(streams.after + k * step);
      }
      if constexpr ((duty & kLast) != 0) {
        vectors[k] *= streams.scale;
      }
      store<Scalar, lanes>(streams.y + k * step, vectors[k]);
    }
  }

  // Transforms a row of at most `most` scalars, which is shorter than a register.
  template <int most>
  static void transform_short(const Row& row, Index n) {
    if constexpr (most > 1) {
      if (n < most) {
        transform_short<most / 2>(row, n);
        return;
      }
    }
    if (row.after == nullptr) {
      row.before == nullptr ? group<most, 1, kFirst | kLast>(row, n)
                            : group<most, 1, kFirst | kLast | kBefore>(row, n);
    } else {
      row.before == nullptr ? group<most, 1, kFirst | kLast | kAfter>(row, n)
                            : group<most, 1, kFirst | kLast | kAfter | kBefore>(row, n);
    }
  }

  // The levels between vectors.
  template <int lanes, int radix>
  static STRUCTMAT_INLINE void add_and_subtract(Lanes<Scalar, lanes>* vectors) {
    for (int apart = 1; apart < radix; apart *= 2) {
      for (int k = 0; k < radix; ++k) {
        if ((k & apart) == 0) {
          const Lanes<Scalar, lanes> difference = vectors[k] - vectors[k + apart];
          vectors[k] += vectors[k + apart];
          vectors[k + apart] = difference;
        }
      }
    }
  }

  // The levels of scalars of one vector, from those that lie `apart` on.
  template <int lanes, int apart>
  static STRUCTMAT_INLINE Lanes<Scalar, lanes> inside(Lanes<Scalar, lanes> vector) {
    if constexpr (apart < lanes) {
      return inside<lanes, 2 * apart>(
          level<apart>(vector, std::make_integer_sequence<int, lanes>{}));
    } else {
      return vector;
    }
  }

  template <int apart, int... lane>
  static STRUCTMAT_INLINE auto level(Lanes<Scalar, sizeof...(lane)> vector,
                                     std::integer_sequence<int, lane...>) {
    using Vector = Lanes<Scalar, sizeof...(lane)>;
    constexpr Vector signs = {((lane & apart) == 0 ? Scalar(1) : Scalar(-1))...};
    const Vector partners = __builtin_shufflevector(vector, vector, (lane ^ apart)...);
    return vector * signs + partners;
  }
};

// A small matrix, whose columns are padded with zeros to full registers.
template <class Scalar, int order>
class Core {
 public:
  explicit Core(const Scalar* core) {
    for (int j = 0; j < order; ++j) std::copy_n(core + j * order, order, columns_ + j * padded);
  }

  // Multiplies each run of `order` scalars.
  void multiply_runs(Scalar* row, Index n) const {
    for (Scalar* run = row; run < row + n; run += order) {
      Lanes<Scalar, lanes> sums[4][padded / lanes] = {};  // of every fourth column
      for (int j = 0; j < order; j += 4) {
        for (int i = 0; i < 4; ++i) {
          const Scalar* column = columns_ + (j + i) * padded;
          for (int k = 0; k < padded / lanes; ++k) {
            sums[i][k] += load<Scalar, lanes>(column + k * lanes) * run[j + i];
          }
        }
      }
      Scalar products[padded];
      for (int k = 0; k < padded / lanes; ++k) {
        store<Scalar, lanes>(products + k * lanes,
                             (sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]));
      }
      std::copy_n(products, order, run);
    }
  }

 private:
  static constexpr int lanes = kLanes<Scalar>;
  static constexpr int padded = (order + lanes - 1) / lanes * lanes;
  Scalar columns_[order * padded] = {};
};

// Rows of a batch, which threads share in blocks. Rows of x are padded with zeros to n scalars, and
// those of y are cropped.
template <class Scalar>
struct WalshBatch {
  Index rows;
  Index rows_of_block;
  Rows<const Scalar> x;
  Rows<Scalar> y;
  Index n;
  Index width;
  const Scalar* core;
  const Scalar* before;
  const Scalar* after;
  Scalar scale;

  void transform(Index block) const {
    const Index begin = block * rows_of_block;
    const Index end = rows - begin < rows_of_block ? rows : begin + rows_of_block;
    const Scratch memory(y.width < n ? n * Index(sizeof(Scalar)) : 0);
    for (Index i = begin; i < end; ++i) {
      Scalar* target = y.data + i * y.stride;
      WalshRow<Scalar> row{x.data + i * x.stride, target, before, after, scale};
      if (y.width < n) row.y = memory.as<Scalar>();
      if (y.width < n || core != nullptr) row.after = nullptr;
      if (x.width < n) {
        multiply(x.width, row.x, row.before, row.y);
        std::fill(row.y + x.width, row.y + n, Scalar(0));
        row.x = row.y;
        row.before = nullptr;
      }
      transform(row);
      if (core != nullptr) multiply_by_core(row.y);
      if (row.after != after || y.width < n) multiply(y.width, row.y, after, target);
    }
  }

 private:
  void transform(const WalshRow<Scalar>& row) const {
    if (width == 1) {
      Walsh<Scalar, 1>::transform(row, n, width);
    } else if (width == 2) {
      Walsh<Scalar, 2>::transform(row, n, width);
    } else {
      Walsh<Scalar, 0>::transform(row, n, width);
    }
  }

  void multiply_by_core(Scalar* row) const {
    if (width == 12) {
      Core<Scalar, 12>(core).multiply_runs(row, n);
    } else {
      Core<Scalar, 20>(core).multiply_runs(row, n);
    }
  }

  static void multiply(Index count, const Scalar* from, const Scalar* factors, Scalar* to) {
    if (factors == nullptr) {
      std::copy(from, from + count, to);
    } else {
      for (Index j = 0; j < count; ++j) to[j] = from[j] * factors[j];
    }
  }
};

// y = scale * after * ((H (x) core) (before * x)) for rows of n = width * 2^k scalars; y may be x. The
// core is a matrix of order `width`, 12 or 20, or the identity matrix if it is null.
template <class Scalar>
void walsh(Index rows, Rows<const Scalar> x, Rows<Scalar> y, Index n, Index width,
           const Scalar* core, const Scalar* before, const Scalar* after, Scalar scale, int threads) {
  constexpr Index kBlock = 1 << 15;  // scalars whose transform takes longer than to wake a thread
  if (rows < 1) return;
  const Index rows_of_block = n < kBlock ? kBlock / n : 1;
  WalshBatch<Scalar> batch{rows, rows_of_block, x, y, n, width, core, before, after, scale};
  const Work work = [](void* context, Index block) {
    static_cast<const WalshBatch<Scalar>*>(context)->transform(block);
  };
  parallel_for((rows + rows_of_block - 1) / rows_of_block, threads, work, &batch);
}

}  // namespace structmat::STRUCTMAT_ISA
