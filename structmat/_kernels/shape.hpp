// The shape of the tree of factors, which the tables contain and the kernels follow.
//
// A real vector is a polynomial modulo z^n - 1, and polynomials are multiplied by the Chinese
// remainder theorem: z^n - 1 is split into factors until their remainders are single complex
// numbers, the frequencies. Real remainders stay real as long as they can:
//
//   z^m - 1 = (z^(m/4) - 1) (z^(m/4) + 1) (z^(m/2) + 1)             the first factor goes on so
//   z^(2k) + 1 = (z^k - i) (z^k + i)
//
// A real remainder modulo z^(2k) + 1 is one complex remainder modulo z^k - i, whose real part is
// its first half and whose imaginary part is its second half: nothing is converted, and there are
// no pairs of conjugates. Odd radices R leave one real block and R / 2 complex ones. Complex
// blocks, modulo z^m - w, are split by passes of radix 2, 3, 4, 5, 7 or 8 up to the leaves
// (leaves.hpp).
//
// Sizes of blocks are in points. Along, a point is a register of L neighbouring entries of one row,
// and n = L times the number of points; otherwise ("lanes") a point is one entry of each of L rows.
// `lanes` is L along, and 1 otherwise.
#pragma once

#include <map>

#include "kernels.hpp"

namespace structmat {

constexpr Index round_up(Index size, Index unit) { return (size + unit - 1) / unit * unit; }

// Frequencies of a leaf of `radix` points, in points.
constexpr Index leaf_frequencies(int radix, int lanes) { return round_up(radix, lanes); }

// Scalars of the factors of a pass, of a tile, and of a leaf, which is a pass and some tiles.
constexpr Index pass_table_size(int radix, int lanes) { return round_up(2 * (radix - 1), lanes); }
constexpr Index tile_table_size(int lanes) { return Index(2) * (lanes - 1) * lanes; }
constexpr Index leaf_table_size(int radix, int lanes) {
  return pass_table_size(radix, lanes) +
         leaf_frequencies(radix, lanes) / lanes * tile_table_size(lanes);
}

// Points of a real block that is treated as a complex one, at most; along only.
constexpr Index most_last_points = 32;

// The radix that splits each block, such that the whole takes the fewest instructions.
class Shape {
 public:
  // Empty lines after each `run` points must not lie inside of a part; 0: there are none.
  Shape(int lanes, int vector_bytes, Index run)
      : lanes_(lanes), vector_bytes_(vector_bytes), run_(run) {}

  // The number of points for a leaf.
  int block_radix(Index points) { return block(points).radix; }

  // 1 for a real block that is not split.
  int cyclic_radix(Index points) { return cyclic(points).radix; }

 private:
  struct Choice {
    int radix;
    double cost;
  };

  Choice block(Index points);
  Choice cyclic(Index points);
  bool is_whole(Index part) const;
  double memory_cost(Index points) const;
  double leaf_cost(int radix) const;

  const int lanes_;
  const int vector_bytes_;
  const Index run_;
  std::map<Index, Choice> blocks_;
  std::map<Index, Choice> cyclics_;
};

}  // namespace structmat
