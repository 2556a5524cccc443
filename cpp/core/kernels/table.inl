// Makes the table of the including instruction set from the arithmetics that it has.

#include "exact_products.inl"
#include "fused_screen.inl"

template <class Each>
constexpr ScreenKernel screen_kernel() {
  using T = Tile<Each>;
  using Number = typename Each::Number;
  ScreenKernel kernel{};
  kernel.name = kArithmeticNames[static_cast<size_t>(Each::kArithmetic)];
  kernel.gain = Each::kGain;
  if constexpr (Each::kStartBytes > 0) {
    kernel.query_largest = Each::kQueryLargest;
    kernel.wraps = sizeof(Number) == sizeof(int16_t);
  }
  kernel.query_tile = T::kQueries;
  kernel.row_tile = T::kRows;
  kernel.query_bytes = &T::query_bytes;
  kernel.row_bytes = &T::row_bytes;
  kernel.pack_queries = &T::pack_queries;
  kernel.pack_rows = &T::pack_rows;
  kernel.cutoff_bytes = sizeof(Number);
  kernel.set_cutoff = &set_cutoff<Number>;
  kernel.screen = &screen<Each>;
  return kernel;
}

constexpr size_t largest_of(size_t a, size_t b) { return a > b ? a : b; }

// Returns the largest row_tile of the arithmetics.
template <class First, class... Others>
constexpr size_t row_tile_of() {
  if constexpr (sizeof...(Others) == 0) {
    return Tile<First>::kRows;
  } else {
    return largest_of(Tile<First>::kRows, row_tile_of<Others...>());
  }
}

template <class... Each>
constexpr KernelTable table_of() {
  static_assert(((Tile<Each>::kQueries == Tile<Fp32>::kQueries) && ...), "queries move between arithmetics by tiles");
  static_assert(((row_tile_of<Each...>() % Tile<Each>::kRows == 0) && ...), "cells are whole tiles of all arithmetics");
  KernelTable table{};
  table.name = kName;
  ((table.screens[static_cast<size_t>(Each::kArithmetic)] = screen_kernel<Each>()), ...);
  table.add_products = &add_products;
  table.mark_reached = &mark_reached;
  table.count_at_least = &count_at_least;
  table.dot_products = &dot_products;
  table.squared_norms = &squared_norms;
  return table;
}
