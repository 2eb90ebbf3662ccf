// Matrices of p x q circulant blocks. The pieces of a row are transformed, multiplied by a p x q
// matrix at each frequency, and transformed back: p + q transforms instead of p q.
//
// A group of rows has a tape with a part for each piece. The matrices of a spectrum lie one
// frequency after the other in the layout of lanes, and one block after the other along, where
// registers hold neighbouring frequencies.
#pragma once

#include "convolution.hpp"

namespace structmat::STRUCTMAT_ISA {

template <class Scalar, int L, bool along, bool is_complex>
class BlockConvolution final : public Plan<Scalar> {
  using Block = Convolution<Scalar, L, along, is_complex>;
  using Tree = Recursion<Scalar, L, along>;
  using Io = RowIo<Scalar, L, along, is_complex>;
  using Vector = typename Tree::Vector;

  static constexpr Index scalar_bytes = sizeof(Scalar);
  static constexpr Index vector_bytes = sizeof(Vector);
  static constexpr Index rows_at_once = Io::rows_at_once;
  static constexpr Index outputs_at_once = 4;
  static constexpr Index columns_at_once = along ? 4 : L / 2;  // of the matrix of sums

 public:
  explicit BlockConvolution(const PlanSize& size)
      : block_(size), n_(size.n), p_(size.p), q_(size.q), part_(part_size(block_.vectors())) {}

  Layout layout() const override { return block_.layout(); }
  Index spectrum_size() const override { return p_ * q_ * block_.spectrum_size(); }
  Index bytes() const override { return block_.bytes() + static_cast<Index>(sizeof *this); }
  Index tape_size(Index rows) const override {
    return (rows + rows_at_once - 1) / rows_at_once * std::max(p_, q_) * part_;
  }

  void spectrum(const Scalar* column, Index, Scalar* spectrum) const override {
    const Scratch memory((block_.array_size() + block_.vectors()) * vector_bytes);
    Vector* x = memory.as<Vector>();
    Scalar* tape = memory.as<Scalar>() + block_.array_size() * L;
    for (Index first = 0; first < p_ * q_; first += rows_at_once) {
      const Index count = std::min(p_ * q_ - first, rows_at_once);
      const Index stride = n_ * Io::parts;
      Scalar* to = along ? spectrum + first * block_.spectrum_size() : tape;
      block_.analyse({column + first * stride, stride, count, n_, nullptr}, x, to,
                     block_.inverse());
      if constexpr (!along) {
        for (Index k = 0; k < frequencies(); ++k) {
          Vector a = load<Scalar, L>(tape + 2 * L * k);
          Vector b = load<Scalar, L>(tape + 2 * L * k + L);
          interleave(a, b);
          Scalar* pairs = spectrum + 2 * (k * p_ * q_ + first);
          store_some<Scalar, L>(pairs, a, 2 * count);
          if (2 * count > L) store_some<Scalar, L>(pairs + L, b, 2 * count - L);
        }
      }
    }
  }

  void column(const Scalar* sums, Scalar* column, Index) const override {
    const Scratch memory((block_.array_size() + block_.vectors()) * vector_bytes);
    Vector* x = memory.as<Vector>();
    Scalar* tape = memory.as<Scalar>() + block_.array_size() * L;
    for (Index first = 0; first < p_ * q_; first += rows_at_once) {
      const Index count = std::min(p_ * q_ - first, rows_at_once);
      const Index stride = n_ * Io::parts;
      if constexpr (!along) {
        for (Index k = 0; k < frequencies(); ++k) {
          const Scalar* pairs = sums + 2 * (k * p_ * q_ + first);
          Vector a = load_some<Scalar, L>(pairs, 2 * count);
          Vector b = 2 * count > L ? load_some<Scalar, L>(pairs + L, 2 * count - L) : Vector{};
          deinterleave(a, b);
          store<Scalar, L>(tape + 2 * L * k, a);
          store<Scalar, L>(tape + 2 * L * k + L, b);
        }
      }
      block_.synthesise(along ? sums + first * block_.spectrum_size() : tape, x,
                        {column + first * stride, stride, count, n_, nullptr}, block_.inverse());
    }
  }

  void product(const Call<Scalar>& call) const override {
    multiply_rows(call, {call.x, call.before}, call.after, call.conjugate);
  }

  void gradient(const Call<Scalar>& call) const override {
    const ConjugateDiagonal<Scalar, is_complex> before(call.before, call.y.width);
    const ConjugateDiagonal<Scalar, is_complex> after(call.after, call.g.width);
    const Pieces g{call.g, after.data()};
    if (call.sums == nullptr) {
      return multiply_rows(call, g, before.data(), !call.conjugate);
    }
    const Index block_rows = round_up(rows_of_sum, rows_at_once);
    SumOfBlocks<Scalar> sums(spectrum_size(), blocks(call.rows, block_rows), call.threads,
                             call.sums);
    Batch batch{this, &call, g, before.data(), !call.conjugate, block_rows, 0, &sums};
    sums.run([&](Index first, Index count) {
      batch.first = first;
      parallel_for(count, call.threads, gradient_block, &batch);
    });
  }

 private:
  static constexpr Index rows_of_sum = 128;

  // Rows, and a diagonal that multiplies them or null; each row has a piece for each block.
  struct Pieces {
    Rows<const Scalar> rows;
    const Scalar* factors;
  };

  // What the threads see of a call: rows `from`, and rows call.y = after * product.
  struct Batch {
    const BlockConvolution* plan;
    const Call<Scalar>* call;
    Pieces from;
    const Scalar* after;
    bool conjugate;
    Index block_rows;
    Index first = 0;  // number of the first block
    const SumOfBlocks<Scalar>* sums = nullptr;

    Index begin(Index block) const { return (first + block) * block_rows; }
    Index end(Index block) const { return std::min(call->rows, begin(block) + block_rows); }
  };

  // Tapes of pieces of groups of rows.
  struct Tape {
    Scalar* data;
    Index pieces;  // with entries
    Index group;   // scalars of the tape of a group
  };

  static Index blocks(Index rows, Index block_rows) { return (rows + block_rows - 1) / block_rows; }

  // An odd number of lines, so that the pieces do not compete for the same places of the cache.
  static Index part_size(Index vectors) {
    const Index lines = (vectors * vector_bytes + 63) / 64;
    return (lines % 2 != 0 ? lines : lines + 1) * (64 / scalar_bytes);
  }

  Index frequencies() const { return block_.vectors() / 2; }
  Index pieces(Index width) const { return (width + n_ - 1) / n_; }

  // The matrix of block (i, j) at a frequency, or along at L of them.
  Index place(Index k, Index i, Index j) const {
    return along ? (i * q_ + j) * block_.spectrum_size() + 2 * L * k : 2 * ((k * p_ + i) * q_ + j);
  }
  static STRUCTMAT_INLINE auto coefficient(const Scalar* from) {
    if constexpr (along) {
      return load<Scalar, L>(from);
    } else {
      return *from;
    }
  }

  void analyse(const Pieces& from, Index row, Index count, Vector* x, Scalar* tape) const {
    for (Index j = 0; j < pieces(from.rows.width); ++j) {
      const Index start = j * n_ * Io::parts;
      block_.analyse({from.rows.data + row * from.rows.stride + start, from.rows.stride, count,
                      std::min(n_, from.rows.width - j * n_),
                      from.factors == nullptr ? nullptr : from.factors + start},
                     x, tape + j * part_);
    }
  }

  // call.y <- after * the product of rows with a tape.
  void finish(const Batch& batch, Index row, Index count, const Tape& tape, Scalar* products,
              Vector* x) const {
    const Rows<Scalar>& y = batch.call->y;
    const Index outputs = pieces(y.width);
    for (Index i = 0; i < outputs; i += outputs_at_once) {
      const Index some = std::min(outputs - i, outputs_at_once);
      if (some == outputs_at_once) {
        multiply<outputs_at_once>(batch, i, tape, products);
      } else {
        for (Index k = 0; k < some; ++k) multiply<1>(batch, i + k, tape, products + k * part_);
      }
      for (Index k = 0; k < some; ++k) {
        const Index start = (i + k) * n_ * Io::parts;
        block_.synthesise(
            products + k * part_, x,
            {y.data + row * y.stride + start, y.stride, count, std::min(n_, y.width - (i + k) * n_),
             batch.after == nullptr ? nullptr : batch.after + start});
      }
    }
  }

  // Frequencies of the outputs `first` ... `first` + count - 1. The conjugate transpose is the
  // conjugate of the transpose's product with the conjugates.
  template <Index count>
  void multiply(const Batch& batch, Index first, const Tape& tape, Scalar* products) const {
    const bool turned = batch.conjugate;
    const Scalar sign = turned ? -1 : 1;
    const Index to_output = turned ? place(0, 0, 1) : place(0, 1, 0);
    const Index to_input = turned ? place(0, 1, 0) : place(0, 0, 1);
    for (Index k = 0; k < frequencies(); ++k) {
      const Scalar* matrix = batch.call->spectrum + place(k, 0, 0) + first * to_output;
      const Scalar* from = tape.data + 2 * L * k;
      Vector re[count]{};
      Vector im[count]{};
      for (Index j = 0; j < tape.pieces; ++j) {
        const Vector a = load<Scalar, L>(from);
        const Vector b = load<Scalar, L>(from + L) * sign;
        for (Index i = 0; i < count; ++i) {
          const auto c = coefficient(matrix + i * to_output);
          const auto s = coefficient(matrix + i * to_output + Tree::step);
          re[i] += a * c;
          re[i] -= b * s;
          im[i] += b * c;
          im[i] += a * s;
        }
        from += part_;
        matrix += to_input;
      }
      for (Index i = 0; i < count; ++i) {
        store<Scalar, L>(products + i * part_ + 2 * L * k, re[i]);
        store<Scalar, L>(products + i * part_ + 2 * L * k + L, im[i] * sign);
      }
    }
  }

  void multiply_rows(const Call<Scalar>& call, const Pieces& from, const Scalar* after,
                     bool conjugate) const {
    const Index rows = std::max<Index>((Index(1) << 14) / (n_ * std::max(p_, q_)), 1);
    Batch batch{this, &call, from, after, conjugate, round_up(rows, rows_at_once)};
    parallel_for(blocks(call.rows, batch.block_rows), call.threads, product_block, &batch);
  }

  static void product_block(void* context, Index block) {
    const Batch& batch = *static_cast<Batch*>(context);
    const BlockConvolution& plan = *batch.plan;
    const Call<Scalar>& call = *batch.call;
    const Index inputs = plan.pieces(batch.from.rows.width);
    const Index group = plan.tape_size(1);
    const Scratch memory(plan.block_.array_size() * vector_bytes +
                         (inputs + outputs_at_once) * plan.part_ * scalar_bytes);
    Vector* x = memory.as<Vector>();
    Scalar* products = memory.as<Scalar>() + plan.block_.array_size() * L;
    Scalar* own = products + outputs_at_once * plan.part_;
    const Index end = batch.end(block);
    for (Index row = batch.begin(block); row < end; row += rows_at_once) {
      const Index count = std::min(end - row, rows_at_once);
      Scalar* tape = own;
      if (call.kept != nullptr) {
        tape = call.kept + row / rows_at_once * group;
        std::fill(tape + inputs * plan.part_, tape + group, Scalar(0));  // pieces without entries
      }
      plan.analyse(batch.from, row, count, x, tape);
      plan.finish(batch, row, count, {tape, inputs, group}, products, x);
    }
  }

  static void gradient_block(void* context, Index block) {
    const Batch& batch = *static_cast<Batch*>(context);
    const BlockConvolution& plan = *batch.plan;
    const Call<Scalar>& call = *batch.call;
    const bool has_tape = call.tape != nullptr;
    const Index outputs = plan.pieces(call.g.width);
    const Index inputs =
        has_tape ? (call.conjugate ? plan.p_ : plan.q_) : plan.pieces(call.x.width);
    const Index whole = plan.tape_size(1);
    const Index groups = plan.groups_at_once();
    const Scratch memory(plan.block_.array_size() * vector_bytes +
                         (outputs_at_once * plan.part_ + 2 * groups * whole) * scalar_bytes);
    Vector* x = memory.as<Vector>();
    Scalar* products = memory.as<Scalar>() + plan.block_.array_size() * L;
    const Tape of_g{products + outputs_at_once * plan.part_, outputs, whole};
    Scalar* own = of_g.data + groups * whole;
    Scalar* sums = batch.sums->of_block(block);
    std::fill_n(sums, plan.spectrum_size(), Scalar(0));
    const Index end = batch.end(block);
    for (Index first = batch.begin(block); first < end; first += groups * rows_at_once) {
      const Index last = std::min(end, first + groups * rows_at_once);
      const Tape of_x{
          has_tape ? const_cast<Scalar*>(call.tape) + first / rows_at_once * whole : own, inputs,
          whole};
      Index group = 0;
      for (Index row = first; row < last; row += rows_at_once, ++group) {
        const Index count = std::min(last - row, rows_at_once);
        if (!has_tape) plan.analyse({call.x, call.before}, row, count, x, own + group * whole);
        Scalar* tape = of_g.data + group * whole;
        plan.analyse(batch.from, row, count, x, tape);
        if (call.y.data != nullptr)
          plan.finish(batch, row, count, {tape, outputs, whole}, products, x);
      }
      if (call.conjugate) {
        plan.add_products(of_x, of_g, group, sums);
      } else {
        plan.add_products(of_g, of_x, group, sums);
      }
    }
  }

  // Both tapes of so many groups stay in the cache.
  Index groups_at_once() const {
    const Index bytes = 2 * tape_size(1) * scalar_bytes;
    return std::min(std::max<Index>((Index(1) << 19) / bytes, 1), rows_of_sum / rows_at_once);
  }

  // sums(i, j) += conj(from j) * from i, over the rows of groups.
  void add_products(const Tape& rows, const Tape& columns, Index groups, Scalar* sums) const {
    for (Index k = 0; k < frequencies(); ++k) {
      for (Index i = 0; i < rows.pieces; ++i) {
        const Scalar* row = rows.data + i * part_ + 2 * L * k;
        for (Index j = 0; j < columns.pieces; j += columns_at_once) {
          const Scalar* column = columns.data + j * part_ + 2 * L * k;
          const Index count = std::min(columns.pieces - j, columns_at_once);
          Scalar* to = sums + place(k, i, j);
          if (count == columns_at_once) {
            add_products(row, rows.group, column, columns.group, groups, to);
          } else {
            add_edge(row, rows.group, column, columns.group, groups, count, to);
          }
        }
      }
    }
  }

  STRUCTMAT_INLINE void add_products(const Scalar* row, Index row_group, const Scalar* column,
                                     Index column_group, Index groups, Scalar* to,
                                     Index count = columns_at_once) const {
    Vector total[2 * columns_at_once]{};
    for (Index group = 0; group < groups; ++group) {
      const Vector a = load<Scalar, L>(row + group * row_group);
      const Vector b = load<Scalar, L>(row + group * row_group + L);
      const Scalar* from = column + group * column_group;
      for (Index j = 0; j < count; ++j, from += part_) {
        Tree::add_product(total + 2 * j, load<Scalar, L>(from), load<Scalar, L>(from + L), a, b);
      }
    }
    if constexpr (along) {
      for (Index j = 0; j < count; ++j) {
        Scalar* at = to + j * block_.spectrum_size();
        store<Scalar, L>(at, load<Scalar, L>(at) + total[2 * j]);
        store<Scalar, L>(at + L, load<Scalar, L>(at + L) + total[2 * j + 1]);
      }
    } else {
      // Lanes belong to different rows; here they are added.
      transpose(total);
      Vector sum = total[0];
      for (int lane = 1; lane < L; ++lane) sum += total[lane];
      store_some<Scalar, L>(to, load_some<Scalar, L>(to, 2 * count) + sum, 2 * count);
    }
  }
  __attribute__((noinline)) void add_edge(const Scalar* row, Index row_group, const Scalar* column,
                                          Index column_group, Index groups, Index count,
                                          Scalar* to) const {
    add_products(row, row_group, column, column_group, groups, to, count);
  }

  const Block block_;
  const Index n_;
  const Index p_;
  const Index q_;
  const Index part_;  // scalars of the tape of a piece
};

}  // namespace structmat::STRUCTMAT_ISA
