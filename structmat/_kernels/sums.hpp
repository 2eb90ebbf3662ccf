// Sums over the rows of a batch, which do not depend on the number of threads: rows are added in
// blocks, and the sums of the blocks in their order, with compensation (Neumaier), so that the
// error does not grow with their number.
#pragma once

#include <algorithm>
#include <cstring>

#include "scratch.hpp"

namespace structmat::STRUCTMAT_ISA {

template <class Scalar>
class SumOfBlocks {
 public:
  SumOfBlocks(Index size, Index blocks, int threads, Scalar* sum)
      : size_(size),
        blocks_(blocks),
        wave_(blocks_at_once(size, blocks, threads)),
        threads_(threads),
        sum_(sum),
        memory_((wave_ + 1) * padded(size) * static_cast<Index>(sizeof(Scalar))),
        rest_(memory_.as<Scalar>() + wave_ * padded(size)) {}

  // Work adds block `first` + k to `of_block(k)`, for k below the number of blocks at once.
  Scalar* of_block(Index k) const { return memory_.as<Scalar>() + k * padded(size_); }

  // Calls work(first, count), which computes the sums of these blocks.
  template <class Function>
  void run(Function work) {
    for (Index first = 0; first < blocks_; first += wave_) {
      first_ = first;
      count_ = std::min(wave_, blocks_ - first);
      work(first_, count_);
      parallel_for((size_ + slice - 1) / slice, threads_, add_slice, this);
    }
  }

 private:
  static constexpr Index slice = 1 << 14;  // scalars
  static constexpr Index most_bytes = Index(1) << 21;

  static Index padded(Index size) { return (size + 15) / 16 * 16; }

  // Few at once if they are large, but enough for all threads.
  static Index blocks_at_once(Index size, Index blocks, int threads) {
    const Index fitting = most_bytes / (size * static_cast<Index>(sizeof(Scalar)));
    const Index wanted = threads == 1 ? 1 : std::max<Index>(threads, fitting);
    return std::min(blocks, wanted);
  }

  static void add_slice(void* context, Index number) {
    const SumOfBlocks& sums = *static_cast<SumOfBlocks*>(context);
    const Index begin = number * slice;
    const Index end = std::min(begin + slice, sums.size_);
    sums.add(begin, end);
  }

  void add(Index begin, Index end) const {
    const std::size_t bytes = static_cast<std::size_t>(end - begin) * sizeof(Scalar);
    Index k = 0;
    if (first_ == 0) {
      std::memcpy(sum_ + begin, of_block(0) + begin, bytes);
      if (blocks_ > 1) std::memset(rest_ + begin, 0, bytes);
      k = 1;
    }
    for (; k < count_; ++k) {
      const Scalar* terms = of_block(k);
      for (Index i = begin; i < end; ++i) {
        const Scalar sum = sum_[i] + terms[i];
        const Scalar change = sum - sum_[i];
        rest_[i] += (sum_[i] - (sum - change)) + (terms[i] - change);
        sum_[i] = sum;
      }
    }
    if (blocks_ > 1 && first_ + count_ == blocks_) {
      for (Index i = begin; i < end; ++i) sum_[i] += rest_[i];
    }
  }

  const Index size_;
  const Index blocks_;
  const Index wave_;
  const int threads_;
  Scalar* const sum_;
  const Scratch memory_;
  Scalar* const rest_;
  Index first_ = 0;
  Index count_ = 0;
};

}  // namespace structmat::STRUCTMAT_ISA
