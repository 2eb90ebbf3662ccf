// Phases of circulant.cuh on the host: threads one after the other, the last one first, so that a race shows in the result.
#include STRUCTMAT_SOURCE

#include <algorithm>
#include <vector>

static std::vector<int>* touches = nullptr;
void touched(int byte) { touches->push_back(byte); }

// Half warps access 16 pairs of banks at once, quarter warps 8 groups of four: the turns that an access takes.
struct Host {
  int lanes;
  long long* counts;  // turns, accesses

  template <int COUNT, class Phase>
  void alone(Phase phase) const {
    for (int end = COUNT; end > 0; end -= lanes) {
      std::vector<std::vector<int>> trace(lanes);
      for (int t = end - 1; t >= 0 && t >= end - lanes; --t) {
        touches = &trace[end - 1 - t];
        phase(t, t);
      }
      for (size_t k = 0; k < trace[0].size(); ++k) {
        std::vector<int> banks(lanes);
        int most = 0;
        for (const auto& lane : trace) {
          if (k < lane.size()) most = std::max(most, ++banks[lane[k] / (128 / lanes) % lanes]);
        }
        counts[0] += most;
        counts[1] += 1;
      }
    }
  }
  template <int COUNT, class Phase>
  void operator()(Phase phase) const {
    alone<COUNT>(phase);
  }
};

template <class C, class Entry = typename C::Entry, class Value = typename C::Value>
void run(const Entry* c, const Entry* x, const Entry* g, int B, int stride, int sign, const Value* w, Entry* y, Entry* dx,
         Entry* dc, long long* counts) {
  using Leaf = typename C::Leaf;
  const Host host{128 / int(sizeof(Value)), counts};
  std::vector<char> shared(C::BYTES + 16);
  char* z = shared.data() + (16 - reinterpret_cast<size_t>(shared.data()) % 16) % 16;
  std::vector<Value> h(C::SLOTS), sums(C::ROWS_AT_ONCE * C::SLOTS);
  std::vector<Value> memory(2 * C::ROWS_AT_ONCE * C::SLOTS);
  auto* kept = reinterpret_cast<Value(*)[Leaf::R]>(memory.data());
  auto* sum = kept + Leaf::COUNT;
  C::spectrum(host, z, {c, 0, 1}, h.data(), w);
  for (int b = 0; b < B; b += C::ROWS_AT_ONCE) {
    C::product(host, z, {x + b * stride, stride, B - b}, {y + b * stride, stride, B - b}, w, h.data(), sign);
    C::gradient(host, z, {x + b * stride, stride, B - b}, {g + b * stride, stride, B - b}, {dx + b * stride, stride, B - b}, w,
                h.data(), sign, kept, sum);
  }
  host.template alone<Leaf::COUNT>([&](int t, int place) {
    const Leaf b(t);
    for (int k = 0; k < Leaf::R; ++k) {
      sums[b.index(k)] = sums[b.index(k)] + b.signed_by(sign, sum[place][k], k);
    }
  });
  C::column(host, z, sums.data(), {dc, 0, 1}, w);
}

#define RUN(name, ...)                                                                                                      \
  extern "C" void name(const void* c, const void* x, const void* g, int B, int stride, int sign, const void* w, void* y,     \
                       void* dx, void* dc, long long* counts) {                                                             \
    using C = __VA_ARGS__;                                                                                                  \
    using Entry = C::Entry;                                                                                                 \
    run<C>((const Entry*)c, (const Entry*)x, (const Entry*)g, B, stride, sign, (const C::Value*)w, (Entry*)y, (Entry*)dx,    \
           (Entry*)dc, counts);                                                                                             \
  }
