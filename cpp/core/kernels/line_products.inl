// Products of small symmetric matrices with lines of floats, one stage of a rotation (linear/rotation.h). A line has a
// number of each of kLine vectors.

constexpr size_t kLine = LineTask::kLine;
typedef float FloatLine __attribute__((vector_size(kLine * sizeof(float))));

// Computes kOuts lines that follow each other in the group of lines that begins with `in` and `out`. So many sums are
// made together because each is a chain of additions.
template <size_t kOuts>
inline void put_lines(const LineTask& task, const float* in, float* out, size_t first) {
  FloatLine sums[kOuts] = {};
  const float* elements = task.matrix + first;
  for (size_t i = 0; i < task.size; ++i, elements += task.size) {
    FloatLine line;
    __builtin_memcpy(&line, in + i * task.stride * kLine, sizeof line);
    for (size_t j = 0; j < kOuts; ++j) sums[j] += elements[j] * line;
  }
  for (size_t j = 0; j < kOuts; ++j)
    __builtin_memcpy(out + (first + j) * task.stride * kLine, &sums[j], sizeof sums[j]);
}

void multiply_lines(const LineTask& task) {
  for (size_t group = 0; group < task.groups; ++group) {
    const size_t begin = (group / task.stride * task.size * task.stride + group % task.stride) * kLine;
    size_t first = 0;
    for (; first + 8 <= task.size; first += 8) put_lines<8>(task, task.in + begin, task.out + begin, first);
    for (; first + 4 <= task.size; first += 4) put_lines<4>(task, task.in + begin, task.out + begin, first);
    for (; first < task.size; ++first) put_lines<1>(task, task.in + begin, task.out + begin, first);
  }
}
