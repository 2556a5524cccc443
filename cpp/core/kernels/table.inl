// Makes the table of the including instruction set from the kernels that it has: those of fused_screen.inl, or its own.
//
// A kernel is a Packing with Numbers, the arithmetic that it packs, whose Number is that of its cutoffs, and with
// kRows, kBlockBytes, screen() and set_cutoff(). It may have maxima().

#include "exact_products.inl"
#include "fused_screen.inl"
#include "line_products.inl"

template <class Kernel>
constexpr ScreenKernel screen_kernel() {
  using Each = typename Kernel::Numbers;
  using Number = typename Each::Number;
  ScreenKernel kernel{};
  kernel.name = kArithmeticNames[static_cast<size_t>(Each::kArithmetic)];
  kernel.gain = Each::kGain;
  if constexpr (Each::kStartBytes > 0) {
    kernel.query_largest = Each::kQueryLargest;
    kernel.wraps = sizeof(Number) == sizeof(int16_t);
  }
  kernel.dim_step = Each::kGroup;
  kernel.query_tile = Kernel::kQueries;
  kernel.row_tile = Kernel::kRows;
  kernel.block_bytes = Kernel::kBlockBytes;
  kernel.query_bytes = &Kernel::query_bytes;
  kernel.row_bytes = &Kernel::row_bytes;
  kernel.pack_queries = &Kernel::pack_queries;
  kernel.pack_rows = &Kernel::pack_rows;
  kernel.cutoff_bytes = sizeof(Number);
  kernel.set_cutoff = &Kernel::set_cutoff;
  kernel.screen = &Kernel::screen;
  if constexpr (requires { &Kernel::maxima; }) kernel.maxima = &Kernel::maxima;
  return kernel;
}

constexpr size_t largest_of(size_t a, size_t b) { return a > b ? a : b; }

// Returns the largest row_tile of the kernels.
template <class First, class... Others>
constexpr size_t row_tile_of() {
  if constexpr (sizeof...(Others) == 0) {
    return First::kRows;
  } else {
    return largest_of(First::kRows, row_tile_of<Others...>());
  }
}

template <class... Kernels>
constexpr KernelTable table_of() {
  static_assert(((Kernels::kQueries == kTileQueries) && ...), "queries move between arithmetics by tiles");
  static_assert(((row_tile_of<Kernels...>() % Kernels::kRows == 0) && ...), "cells are whole tiles of all arithmetics");
  KernelTable table{};
  table.name = kName;
  ((table.screens[static_cast<size_t>(Kernels::Numbers::kArithmetic)] = screen_kernel<Kernels>()), ...);
  table.add_products = &add_products;
  table.multiply_lines = &multiply_lines;
  table.mark_reached = &mark_reached;
  table.count_at_least = &count_at_least;
  table.count_listed = &count_listed;
  table.dot_products = &dot_products;
  table.similarities = &similarities;
  table.squared_norms = &squared_norms;
  return table;
}
