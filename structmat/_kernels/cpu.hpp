// The instruction sets that were compiled and that this processor has.
#pragma once

#include <string>

#include "kernels.hpp"

namespace structmat {

constexpr int most_instruction_sets = 3;

struct InstructionSets {
  const Kernels* kernels[most_instruction_sets];  // best first
  int count;
};

const InstructionSets& instruction_sets();

// The kernels of an instruction set, or the best ones if the name is empty; null: not available.
const Kernels* find_kernels(const char* name);

std::string names_of_instruction_sets();  // for messages

// The lengths from which on entries of one row share a register in batches too, and with AVX-512
// those for registers of 64 bytes, and of 32 bytes where the former do not fit.
struct LongRows {
  Index along;
  Index in_64_bytes;
  Index in_32_bytes;
};

const LongRows& long_rows();  // by the maker of the processor

}  // namespace structmat
