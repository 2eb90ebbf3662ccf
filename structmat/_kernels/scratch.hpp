// Memory for the duration of a call, aligned to lines of the cache.
#pragma once

#include <cstdlib>
#include <new>

#include "kernels.hpp"
#include "lanes.hpp"

namespace structmat::STRUCTMAT_ISA {

class Scratch {
 public:
  explicit Scratch(Index bytes)
      : memory_(std::aligned_alloc(64, (static_cast<std::size_t>(bytes) + 127) / 64 * 64)) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }
  ~Scratch() { std::free(memory_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  template <class Entry>
  Entry* as() const {
    return static_cast<Entry*>(memory_);
  }

 private:
  void* memory_;
};

}  // namespace structmat::STRUCTMAT_ISA
