// Assembles the table of the including instruction set.

#include "exact_products.inl"
#include "fp32_tile.inl"
#include "fused_screen.inl"

template <class Tile>
constexpr ScreenKernel screen_kernel() {
  return {Tile::kQueries, Tile::kRows, &Tile::packed_bytes, &Tile::pack, &screen<Tile>};
}

constexpr KernelTable kTable = {kName, screen_kernel<Fp32Tile>(), &dot_products, &squared_norms};
