// Tries the cases that the fuzzer of the core has found, and some at random: with any compiler.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "checking.h"
#include "core_case.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::size_t tried = 0;
  for (const auto& file : std::filesystem::directory_iterator(arguments[1])) {
    std::ifstream stream(file.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
    fuzz::try_case(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++tried;
  }
  checking::check(tried > 0, "there are cases in the folder");
  std::mt19937 random(1);
  for (std::size_t i = 0; i < checking::scaled(200); ++i) {
    std::vector<std::uint8_t> bytes(random() % 2000);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    fuzz::try_case(bytes.data(), bytes.size());
    ++tried;
  }
  std::printf("%zu cases tried\n", tried);
  return checking::summary();
}
