// What the bytes of a fuzzer say: a database, what is done with it, and whether its answers are those of the contract.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fuzz {

// Ends the process by abort() where an answer differs from the contract's.
void try_case(const std::uint8_t* data, std::size_t size);

}  // namespace fuzz
