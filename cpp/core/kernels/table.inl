// Assembles the table of the including instruction set.

#include "exact_products.inl"
#include "fused_screen.inl"

template <class Arithmetic>
constexpr ScreenKernel screen_kernel(const char* name) {
  using T = Tile<Arithmetic>;
  using Number = typename Arithmetic::Number;
  return {name,
          Arithmetic::kGain,
          T::kQueries,
          T::kRows,
          &T::query_bytes,
          &T::row_bytes,
          &T::pack_queries,
          &T::pack_rows,
          sizeof(Number),
          &set_cutoff<Number>,
          &screen<Arithmetic>};
}

constexpr KernelTable kTable = {
    kName,
    {screen_kernel<Fp32>("fp32"), screen_kernel<Int16>("int16"), screen_kernel<Int8>("int8")},
    Int8::kQueryLargest,
    sizeof(Int8::Number) == sizeof(int16_t),
    &add_products,
    &mark_reached,
    &count_at_least,
    &dot_products,
    &squared_norms};
