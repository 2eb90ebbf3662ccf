// Plans: products and gradients of batches, which threads share in blocks of rows.
#pragma once

#include <algorithm>
#include <cstring>

#include "recursion.hpp"
#include "rows.hpp"
#include "scratch.hpp"
#include "sums.hpp"
#include "tables.hpp"

namespace structmat::STRUCTMAT_ISA {

// Factors of frequencies: of those that stand for a pair of conjugates, and of real ones.
template <class Scalar>
struct Weights {
  Scalar of_pairs = 1;
  Scalar of_singles = 1;
};

// The conjugate of a diagonal.
template <class Scalar, bool is_complex>
class ConjugateDiagonal {
 public:
  ConjugateDiagonal(const Scalar* entries, Index width)
      : entries_(entries), memory_(copies(entries) ? 2 * width * Index(sizeof(Scalar)) : 0) {
    if (!copies(entries)) return;
    Scalar* conjugates = memory_.template as<Scalar>();
    for (Index k = 0; k < 2 * width; ++k) conjugates[k] = k % 2 != 0 ? -entries[k] : entries[k];
    entries_ = conjugates;
  }
  const Scalar* data() const { return entries_; }

 private:
  static bool copies(const Scalar* entries) { return is_complex && entries != nullptr; }

  const Scalar* entries_;
  const Scratch memory_;
};

template <class Scalar, int L, bool along, bool is_complex>
class Convolution final : public Plan<Scalar> {
  using Tree = Recursion<Scalar, L, along>;
  using Io = RowIo<Scalar, L, along, is_complex>;
  using Pass = typename Tree::Pass;
  using Vector = typename Tree::Vector;
  using Stream = typename Tree::Stream;
  using Source = typename Io::Source;
  using Target = typename Io::Target;

  static constexpr Index vector_bytes = sizeof(Vector);
  static constexpr Index rows_at_once = Io::rows_at_once;
  static constexpr Index tile = Io::tile;

 public:
  explicit Convolution(const PlanSize& size)
      : tables_(size, Tree::step, sizeof(Vector)),
        n_(size.n),
        is_skew_(size.root != 1),
        points_(size.n / Tree::step),
        array_(Pass::place(points_, tables_.gap) + tile + first_line),
        splits_on_the_way_(!is_complex && !is_skew_ && tables_.steps[0] == 4 &&
                           points_ / 4 % tile == 0) {}

  Layout layout() const override { return along ? Layout::along : Layout::lanes; }
  Index spectrum_size() const override { return tables_.spectrum_size; }
  Index bytes() const override { return tables_.bytes() + static_cast<Index>(sizeof *this); }
  Index tape_size(Index rows) const override {
    return tables_.spectrum_size * round_up(rows, rows_at_once);
  }

  void spectrum(const Scalar* column, Index width, Scalar* spectrum) const override {
    const Scratch memory((array_size() + vectors()) * vector_bytes);
    Vector* x = memory.as<Vector>();
    Scalar* tape = along ? spectrum : memory.as<Scalar>() + array_size() * L;
    analyse({column, 0, 1, width, nullptr}, x, tape, inverse());
    if constexpr (!along) {
      for (Index k = 0; k < vectors(); ++k) spectrum[k] = tape[k * L];
    }
  }

  void column(const Scalar* sums, Scalar* column, Index width) const override {
    const Scratch memory((array_size() + vectors()) * vector_bytes);
    Vector* x = memory.as<Vector>();
    Vector* tape = x + array_size();
    for (Index k = 0; k < vectors(); ++k) {
      tape[k] = along ? load<Scalar, L>(sums + k * L) : Vector{} + sums[k];
    }
    synthesise(memory.as<Scalar>() + array_size() * L, x, {column, 0, 1, width, nullptr},
               inverse());
  }

  // Frequencies of a group of rows, and rows of frequencies. `x` has room for `array_size` vectors,
  // and a tape for `vectors`.
  void analyse(const Source& from, Vector* x, Scalar* tape, Weights<Scalar> weights = {}) const {
    read(from, x);
    Stream t = stream();
    t.tape = tape;
    t.weight = weights.of_pairs;
    t.real_weight = weights.of_singles;
    run<Mode::analysis>(x, t);
  }
  void synthesise(const Scalar* tape, Vector* x, const Target& to,
                  Weights<Scalar> weights = {}) const {
    Stream t = stream();
    t.tape = const_cast<Scalar*>(tape);
    t.weight = weights.of_pairs;
    t.real_weight = weights.of_singles;
    run<Mode::synthesis>(x, t);
    write(x, to);
  }

  // The weights of a spectrum, by which the transforms there and back become a convolution.
  Weights<Scalar> inverse() const {
    const Scalar weight = 1 / static_cast<Scalar>(n_);
    return {is_complex ? weight : 2 * weight, weight};
  }

  Index vectors() const { return tables_.spectrum_size / Tree::step; }
  Index array_size() const { return (is_complex ? 2 : 1) * array_; }

  void product(const Call<Scalar>& call) const override {
    multiply_rows(call, call.x, call.before, call.after, call.conjugate);
  }

  void gradient(const Call<Scalar>& call) const override {
    const ConjugateDiagonal<Scalar, is_complex> before(call.before,
                                                       call.y.data != nullptr ? call.y.width : 0);
    const ConjugateDiagonal<Scalar, is_complex> after(call.after, call.g.width);
    if (call.sums == nullptr) {
      return multiply_rows(call, call.g, after.data(), before.data(), !call.conjugate);
    }
    const Index size = tables_.spectrum_size;
    const Index block_rows = rows_of_sum();
    Batch batch{this, &call, call.g, after.data(), before.data(), !call.conjugate, block_rows};
    SumOfBlocks<Scalar> sums(size, blocks(call.rows, block_rows), call.threads, call.sums);
    batch.sums = &sums;
    sums.run([&](Index first, Index count) {
      batch.first = first;
      parallel_for(count, call.threads, gradient_block, &batch);
    });
    if (call.conjugate) {
      constexpr Index part = Tree::step;  // scalars of a real part, and of an imaginary part
      for (Index k = part; k < size; k += 2 * part) {
        for (Index j = k; j < k + part; ++j) call.sums[j] = -call.sums[j];
      }
    }
  }

 private:
  static constexpr Index first_line = 4096 / vector_bytes / 8;

  // What the threads see of a call: rows `from`, multiplied by `before`, and rows call.y = after *
  // product.
  struct Batch {
    const Convolution* plan;
    const Call<Scalar>* call;
    Rows<const Scalar> from;
    const Scalar* before;
    const Scalar* after;
    bool conjugate;
    Index block_rows;
    Index first = 0;  // number of the first block
    const SumOfBlocks<Scalar>* sums = nullptr;

    Index begin(Index block) const { return (first + block) * block_rows; }
    Index end(Index block) const { return std::min(call->rows, begin(block) + block_rows); }
    Source source(Index row, Index count) const {
      return {from.data + row * from.stride, from.stride, count, from.width, before};
    }
    Target target(Index row, Index count) const {
      return {call->y.data + row * call->y.stride, call->y.stride, count, call->y.width, after};
    }

    // Asks for the memory of these products and of the next rows while rows are transformed. That
    // takes longer than it saves if the batch is in the cache, or if rows are long, or short lanes.
    // Inline, since GCC drops calls of functions that do nothing else.
    STRUCTMAT_INLINE void prefetch(Index row) const {
      const Index bytes = from.width * Io::parts * Index(sizeof(Scalar));
      const Index bytes_of_y = call->y.width * Io::parts * Index(sizeof(Scalar));
      const bool pays = along ? bytes <= 4096 : from.width >= 512;
      if (!pays || call->rows * bytes < (Index(1) << 20)) return;
      const Index next = std::min(row + rows_at_once, call->rows);
      for (; row < next; ++row) {
        const Index later = row + rows_at_once;
        if (later < call->rows) prefetch_row<0>(from.data + later * from.stride, bytes);
        prefetch_row<1>(call->y.data + row * call->y.stride, bytes_of_y);
      }
    }
    template <int writes>
    static STRUCTMAT_INLINE void prefetch_row(const Scalar* row, Index bytes) {
      const char* line = reinterpret_cast<const char*>(row);
      for (const char* end = line + bytes; line < end; line += 64) {
        __builtin_prefetch(line, writes, 2);
      }
    }
  };

  static Index blocks(Index rows, Index block_rows) { return (rows + block_rows - 1) / block_rows; }

  // Rows of a block are enough work for a thread to wake up, and few enough for several threads.
  Index rows_of_product() const {
    const Index rows = std::max<Index>((Index(1) << 14) / n_, 1);
    return round_up(rows, rows_at_once);
  }
  // Adding the sums of a block costs as much as half a row.
  Index rows_of_sum() const {
    const Index rows = std::min<Index>(std::max<Index>((Index(1) << 15) / n_, 1), 128);
    return round_up(rows, rows_at_once);
  }

  Stream stream() const {
    Stream t{};
    t.steps = tables_.steps.data();
    t.factors = tables_.factors;
    t.gap = tables_.gap;
    t.weight = 1;
    t.real_weight = 1;
    return t;
  }

  // Tapes hold the frequencies of one group of rows after the other.
  Scalar* tape_at(const Scalar* tape, Index row) const {
    return const_cast<Scalar*>(tape) + tables_.spectrum_size * row;
  }

  void multiply_rows(const Call<Scalar>& call, Rows<const Scalar> from, const Scalar* before,
                     const Scalar* after, bool conjugate) const {
    Batch batch{this, &call, from, before, after, conjugate, rows_of_product()};
    parallel_for(blocks(call.rows, batch.block_rows), call.threads, product_block, &batch);
  }

  static void product_block(void* context, Index block) {
    const Batch& batch = *static_cast<Batch*>(context);
    const Convolution& plan = *batch.plan;
    const Call<Scalar>& call = *batch.call;
    const Scratch memory(plan.array_size() * vector_bytes);
    Vector* x = memory.as<Vector>();
    const Index end = batch.end(block);
    for (Index row = batch.begin(block); row < end; row += rows_at_once) {
      const Index count = std::min(end - row, rows_at_once);
      plan.read(batch.source(row, count), x);
      batch.prefetch(row);
      Stream t = plan.stream();
      t.spectrum = call.spectrum;
      t.sign = batch.conjugate ? -1 : 1;
      if (call.kept != nullptr) {
        t.tape = plan.tape_at(call.kept, row);
        plan.run<Mode::record>(x, t);
      } else {
        plan.run<Mode::product>(x, t);
      }
      plan.write(x, batch.target(row, count));
    }
  }

  static void gradient_block(void* context, Index block) {
    const Batch& batch = *static_cast<Batch*>(context);
    const Convolution& plan = *batch.plan;
    const Call<Scalar>& call = *batch.call;
    const bool has_tape = call.tape != nullptr;
    const bool has_product = call.y.data != nullptr;
    const Index vectors = plan.vectors();
    const Index arrays = plan.array_size();
    const Index tapes = (has_tape ? 0 : vectors) + (has_product ? 0 : vectors);
    const Scratch memory((arrays + vectors + tapes) * vector_bytes);
    Vector* x = memory.as<Vector>();
    Vector* sums = x + arrays;
    Scalar* tape_of_x = memory.as<Scalar>() + (arrays + vectors) * L;
    Scalar* tape_of_g = memory.as<Scalar>() + (arrays + tapes) * L;
    for (Index k = 0; k < vectors; ++k) sums[k] = Vector{};
    const Index end = batch.end(block);
    for (Index row = batch.begin(block); row < end; row += rows_at_once) {
      const Index count = std::min(end - row, rows_at_once);
      const Scalar* tape = has_tape ? plan.tape_at(call.tape, row) : tape_of_x;
      if (!has_tape) {
        plan.analyse(
            {call.x.data + row * call.x.stride, call.x.stride, count, call.x.width, call.before}, x,
            tape_of_x);
      }
      if (has_product) {
        plan.read(batch.source(row, count), x);
        batch.prefetch(row);
        Stream t = plan.stream();
        t.spectrum = call.spectrum;
        t.sign = batch.conjugate ? -1 : 1;
        t.tape = const_cast<Scalar*>(tape);
        t.sums = sums;
        plan.run<Mode::replay>(x, t);
        plan.write(x, batch.target(row, count));
      } else {
        plan.analyse(batch.source(row, count), x, tape_of_g);
        plan.add_products(sums, tape, tape_of_g);
      }
    }
    plan.collect(sums, batch.sums->of_block(block));
  }

  void add_products(Vector* sums, const Scalar* x, const Scalar* g) const {
    for (Index k = 0; k < vectors(); k += 2) {
      Tree::add_product(sums + k, load<Scalar, L>(x + k * L), load<Scalar, L>(x + k * L + L),
                        load<Scalar, L>(g + k * L), load<Scalar, L>(g + k * L + L));
    }
  }

  // Lanes belong to different rows, which are added here.
  void collect(const Vector* sums, Scalar* out) const {
    for (Index k = 0; k < vectors(); ++k) {
      if constexpr (along) {
        store<Scalar, L>(out + k * L, sums[k]);
      } else {
        Scalar total = 0;
        for (int lane = 0; lane < L; ++lane) total += sums[k][lane];
        out[k] = total;
      }
    }
  }

  // The first real pass of radix 4 is made on the way.
  __attribute__((noinline)) void read(const Source& from, Vector* x) const {
    if constexpr (along) {
      if (from.is_plain(n_)) return read<true>(from, x);
    }
    read<false>(from, x);
  }

  template <bool plain>
  void read(const Source& from, Vector* x) const {
    if (splits_on_the_way_) return read_split<plain>(from, x);
    for (Index first = 0; first < points_; first += tile) {
      Vector re[tile];
      Vector im[tile];
      Io::template read<plain>(from, first, re, im);
      const Index count = std::min(points_ - first, tile);
      for (Index k = 0; k < count; ++k) {
        x[place(first + k)] = re[k];
        if constexpr (is_complex) x[array_ + place(first + k)] = im[k];
      }
    }
  }

  template <bool plain>
  void read_split(const Source& from, Vector* x) const {
    const Index part = points_ / 4;
    const Index offset[4] = {0, place(part), place(2 * part), place(3 * part)};
    for (Index first = 0; first < part; first += tile) {
      Vector a[4][tile];
      for (int k = 0; k < 4; ++k) Io::template read<plain>(from, first + k * part, a[k], a[k]);
      Vector* to = x + place(first);
      for (Index j = 0; j < tile; ++j) {
        split4(a[0][j], a[1][j], a[2][j], a[3][j]);
        for (int k = 0; k < 4; ++k) to[j + offset[k]] = a[k][j];
      }
    }
  }

  __attribute__((noinline)) void write(const Vector* x, const Target& to) const {
    if constexpr (along) {
      if (to.is_plain(n_)) return write<true>(x, to);
    }
    write<false>(x, to);
  }

  template <bool plain>
  void write(const Vector* x, const Target& to) const {
    if (splits_on_the_way_) return write_joined<plain>(x, to);
    for (Index first = 0; first < points_; first += tile) {
      Vector re[tile];
      Vector im[tile];
      for (Index k = 0; k < tile; ++k) {
        re[k] = x[place(first + k)];
        if constexpr (is_complex) im[k] = x[array_ + place(first + k)];
      }
      Io::template write<plain>(to, first, re, im);
    }
  }

  template <bool plain>
  void write_joined(const Vector* x, const Target& to) const {
    const Index part = points_ / 4;
    const Index offset[4] = {0, place(part), place(2 * part), place(3 * part)};
    for (Index first = 0; first < part; first += tile) {
      Vector a[4][tile];
      const Vector* from = x + place(first);
      for (Index j = 0; j < tile; ++j) {
        for (int k = 0; k < 4; ++k) a[k][j] = from[j + offset[k]];
        join4(a[0][j], a[1][j], a[2][j], a[3][j]);
      }
      for (int k = 0; k < 4; ++k) Io::template write<plain>(to, first + k * part, a[k], a[k]);
    }
  }

  Index place(Index point) const { return Pass::place(point, tables_.gap); }

  template <Mode mode>
  void run(Vector* x, Stream& t) const {
    if constexpr (is_complex) {
      Tree::template block<mode>(x, x + array_, points_, t);
    } else if (is_skew_) {
      Tree::template block<mode>(x, x + place(points_ / 2), points_ / 2, t);
    } else if (splits_on_the_way_) {
      ++t.steps;
      Tree::template cyclic_parts<mode>(4, x, points_ / 4, t);
    } else {
      Tree::template cyclic<mode>(x, points_, t);
    }
  }

  const Tables<Scalar> tables_;
  const Index n_;
  const bool is_skew_;
  const Index points_;
  const Index array_;  // points of an array with its gaps
  const bool splits_on_the_way_;
};

}  // namespace structmat::STRUCTMAT_ISA
