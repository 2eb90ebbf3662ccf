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

}  // namespace structmat
