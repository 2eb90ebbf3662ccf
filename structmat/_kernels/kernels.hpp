// The interface between the module and the kernels, which are compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <memory>

namespace structmat {

using Index = std::ptrdiff_t;

// Rows of a matrix: entries are contiguous, rows lie `stride` scalars apart. A complex entry is two scalars.
template <class Scalar>
struct Rows {
  Scalar* data = nullptr;
  Index width = 0;   // entries in a row
  Index stride = 0;  // scalars from one row to the next
};

// One call of a plan. A null pointer stands for an argument that was not given.
template <class Scalar>
struct Call {
  Index rows = 0;
  Rows<const Scalar> x, g;
  Rows<Scalar> y;  // the product, or dx
  const Scalar* spectrum = nullptr;
  const Scalar* before = nullptr;
  const Scalar* after = nullptr;
  Scalar* kept = nullptr;        // tape that a product writes
  const Scalar* tape = nullptr;  // tape that a gradient reads
  Scalar* sums = nullptr;
  bool conjugate = false;
  int threads = 1;
};

enum class Layout { lanes, along };

// Convolution modulo z^n - root of real or complex vectors, or a matrix of such convolutions, which has a column for each
// block; immutable, and safe from several threads. Methods throw std::bad_alloc only.
template <class Scalar>
class Plan {
 public:
  virtual ~Plan() = default;
  virtual Layout layout() const = 0;
  virtual Index spectrum_size() const = 0;        // scalars of a spectrum, and of sums
  virtual Index tape_size(Index rows) const = 0;  // scalars
  virtual Index bytes() const = 0;                // of the tables
  virtual void spectrum(const Scalar* column, Index width, Scalar* spectrum) const = 0;
  virtual void column(const Scalar* sums, Scalar* column, Index width) const = 0;
  virtual void product(const Call<Scalar>& call) const = 0;
  virtual void gradient(const Call<Scalar>& call) const = 0;
};

struct PlanSize {
  Index n = 1;
  bool is_complex = false;
  int root = 1;         // 1 or -1
  bool batched = true;  // whether calls will have many rows
  Index p = 1;          // rows of blocks
  Index q = 1;          // columns of blocks
};

// What one instruction set offers.
struct Kernels {
  const char* name;  // "baseline", "avx2", "avx512", "neon"
  std::unique_ptr<Plan<float>> (*plan_float)(const PlanSize&);
  std::unique_ptr<Plan<double>> (*plan_double)(const PlanSize&);
  // Walsh-Hadamard transform of n = width * 2^k scalars, padded and cropped:
  // y = scale * after * ((H x core) (before * x)).
  void (*walsh_float)(Index rows, Rows<const float> x, Rows<float> y, Index n, Index width,
                      const float* core, const float* before, const float* after, float scale,
                      int threads);
  void (*walsh_double)(Index rows, Rows<const double> x, Rows<double> y, Index n, Index width,
                       const double* core, const double* before, const double* after, double scale,
                       int threads);
};

bool is_supported(const PlanSize& size);  // whether n has no prime factor over 7, and more for root -1

// Defined in isa.cpp, which is compiled once for each instruction set with STRUCTMAT_ISA set to the name.
const Kernels& kernels_baseline();
const Kernels& kernels_avx2();
const Kernels& kernels_avx512();
const Kernels& kernels_neon();

// threads.cpp: calls work(block) for block = 0 ... blocks - 1 on up to `threads` threads, the caller's among them;
// returns when all are done. An exception of a block is rethrown after the others end.
using Work = void (*)(void* context, Index block);
void parallel_for(Index blocks, int threads, Work work, void* context);

}  // namespace structmat
