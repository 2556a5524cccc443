// Assembles the table of the including instruction set.

#include "exact_products.inl"
#include "fused_screen.inl"
#include "tile.inl"

template <class Arithmetic>
constexpr ScreenKernel screen_kernel() {
  using T = Tile<Arithmetic>;
  return {T::kQueries, T::kRows, &T::packed_bytes, &T::pack, &screen<T>, &add_products<T>};
}

constexpr KernelTable kTable = {kName,      screen_kernel<Fp32>(), screen_kernel<Int16>(),
                                kInt16Gain, &dot_products,         &squared_norms};
