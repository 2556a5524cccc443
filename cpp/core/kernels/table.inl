// Assembles the table of the including instruction set, of the arithmetics that it has.

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

template <class... Each>
constexpr KernelTable table_of() {
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
