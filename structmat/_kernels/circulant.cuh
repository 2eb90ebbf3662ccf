// Products of rows with a circulant matrix on a GPU, and the gradients, in one pass over global memory.
//
// A row of n real entries is a polynomial modulo z^n - 1. A pass of radix R divides its modulus:
//
//     z^n - 1 = (z^(n/R) - 1) (z^(n/2R) + i) (...) and the conjugate factors, which a real row doesn't need.
//
// So n/2 complex slots in shared memory hold one real block, slot j with entries j and j + (its number of slots), and
// complex blocks modulo z^m - exp(-2 pi i phase). The last pass leaves one slot a block: there the row is multiplied by
// the spectrum, and the passes are undone in reverse order. No row touches another. A complex row of n entries takes n
// slots, all of whose blocks are complex. `_backend/cuda.py` makes the twiddles from the same tree.
//
// What happens between two barriers is a phase, run<COUNT>(f): f(t, place) for each t < COUNT, in any order. `place` is
// where a thread keeps what belongs to t. Hosts can run the phases as well (tests/kernels/test_cuda_source.py).

#ifdef __CUDACC__
#define STRUCTMAT_INLINE __device__ __forceinline__
#define STRUCTMAT_UNROLL _Pragma("unroll")
#else
#define STRUCTMAT_INLINE inline
#define STRUCTMAT_UNROLL
void touched(int byte);  // an access of shared memory
#endif

namespace structmat {

template <class T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};

template <class T>
STRUCTMAT_INLINE Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
STRUCTMAT_INLINE Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
STRUCTMAT_INLINE Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
STRUCTMAT_INLINE Complex<T> conj(Complex<T> a) {
  return {a.re, -a.im};
}

// cos(2 pi k / 32), 0 <= k <= 8
STRUCTMAT_INLINE constexpr double cosine(int k) {
  return k == 0   ? 1.0
         : k == 1 ? 0.98078528040323044913
         : k == 2 ? 0.92387953251128675613
         : k == 3 ? 0.83146961230254523708
         : k == 4 ? 0.70710678118654752440
         : k == 5 ? 0.55557023301960222474
         : k == 6 ? 0.38268343236508977173
         : k == 7 ? 0.19509032201612826785
                  : 0.0;
}

// a exp(-2 pi i k / n), 0 <= k < n/2, n divides 32
template <class T>
STRUCTMAT_INLINE Complex<T> turned(Complex<T> a, int k, int n) {
  if (k == 0) return a;
  if (4 * k == n) return {a.im, -a.re};
  const int j = k * (32 / n);
  const T c = T(j <= 8 ? cosine(j) : -cosine(16 - j)), s = T(j <= 8 ? cosine(8 - j) : cosine(j - 8));
  return {a.re * c + a.im * s, a.im * c - a.re * s};
}

template <class T>
STRUCTMAT_INLINE Complex<T> turned_back(Complex<T> a, int k, int n) {
  return conj(turned(conj(a), k, n));
}

// From residues modulo z^R - 1 to values at its roots, bit-reversed.
template <int R, class T>
STRUCTMAT_INLINE void split(Complex<T>* a) {
  if constexpr (R > 1) {
    STRUCTMAT_UNROLL
    for (int k = 0; k < R / 2; ++k) {
      const Complex<T> difference = a[k] - a[k + R / 2];
      a[k] = a[k] + a[k + R / 2];
      a[k + R / 2] = turned(difference, k, R);
    }
    split<R / 2>(a);
    split<R / 2>(a + R / 2);
  }
}

// R times the inverse of split
template <int R, class T>
STRUCTMAT_INLINE void merge(Complex<T>* a) {
  if constexpr (R > 1) {
    merge<R / 2>(a);
    merge<R / 2>(a + R / 2);
    STRUCTMAT_UNROLL
    for (int k = 0; k < R / 2; ++k) {
      const Complex<T> other = turned_back(a[k + R / 2], k, R);
      a[k + R / 2] = a[k] - other;
      a[k] = a[k] + other;
    }
  }
}

// From 2R real residues modulo z^2R - 1, a[k] = (u[k], u[k + R]): a[0] = (v[0], v[1]) modulo z^2 - 1, and values at R - 1
// roots, one of each conjugate pair.
template <int R, class T>
STRUCTMAT_INLINE void split_real(Complex<T>* a) {
  if constexpr (R > 1) {
    STRUCTMAT_UNROLL
    for (int k = 0; k < R / 2; ++k) {
      const Complex<T> u = a[k], v = a[k + R / 2];
      a[k] = {u.re + u.im, v.re + v.im};
      a[k + R / 2] = turned(Complex<T>{u.re - u.im, v.im - v.re}, k, 2 * R);
    }
    split_real<R / 2>(a);
    split<R / 2>(a + R / 2);
  }
}

// R times the inverse of split_real
template <int R, class T>
STRUCTMAT_INLINE void merge_real(Complex<T>* a) {
  if constexpr (R > 1) {
    merge_real<R / 2>(a);
    merge<R / 2>(a + R / 2);
    STRUCTMAT_UNROLL
    for (int k = 0; k < R / 2; ++k) {
      const Complex<T> sum = a[k], difference = turned_back(a[k + R / 2], k, 2 * R);
      a[k] = {sum.re + difference.re, sum.re - difference.re};
      a[k + R / 2] = {sum.im - difference.im, sum.im + difference.im};
    }
  }
}

// Rows of global memory; those from `count` on are read as zeros and not written.
template <class Pointer>
struct Rows {
  Pointer first;
  long long step;
  int count;
};

template <class T, bool REAL>
struct EntryOf {
  using Type = T;
};
template <class T>
struct EntryOf<T, false> {
  using Type = Complex<T>;
};

// Rows of SLOTS = the product of the radices, ROWS of them at once.
template <class T, bool REAL, int ROWS, int... RADICES>
struct Circulant {
  using Value = Complex<T>;
  using Entry = typename EntryOf<T, REAL>::Type;

  static constexpr int ROWS_AT_ONCE = ROWS, SLOTS = (RADICES * ...);
  static constexpr int LAST = sizeof...(RADICES) - 1;
  static constexpr int BYTES = ROWS * SLOTS * int(sizeof(Value));

  STRUCTMAT_INLINE static constexpr int radix(int pass) {
    const int radices[] = {RADICES...};
    return radices[pass];
  }
  STRUCTMAT_INLINE static constexpr int blocks(int pass) { return pass == 0 ? 1 : blocks(pass - 1) * radix(pass - 1); }
  STRUCTMAT_INLINE static constexpr int twiddles(int pass) {  // that passes before this one have
    return pass <= 1 ? 0 : twiddles(pass - 1) + (radix(pass - 1) - 1) * blocks(pass - 1);
  }

  // Place of a slot, so that the passes meet no bank twice; linear over the bits of the slot.
  STRUCTMAT_INLINE static constexpr int place(int slot) {
    const int bits = sizeof(T) == 4 ? (slot >> 4 & 15) ^ (slot >> 3 & 8) : slot >> 3 & 7;
    return (slot ^ bits) * int(sizeof(Value));
  }

  // Butterfly t of a pass, on entries k * STRIDE from its first one.
  template <int PASS>
  struct Butterfly {
    static constexpr int R = radix(PASS), BLOCKS = blocks(PASS), EACH = SLOTS / R, STRIDE = EACH / BLOCKS;
    static constexpr int COUNT = ROWS * EACH;
    int row, block, entry, start;

    STRUCTMAT_INLINE explicit Butterfly(int t)
        : row(t / EACH), block(t % EACH / STRIDE), entry(t % STRIDE),
          start(place(row * SLOTS + block * R * STRIDE + entry)) {}

    STRUCTMAT_INLINE Value& at(char* z, int k) const {
      const int byte = k * STRIDE % 256 ? start ^ place(k * STRIDE) : start + k * STRIDE * int(sizeof(Value));
#ifndef __CUDACC__
      touched(byte);
#endif
      return *reinterpret_cast<Value*>(z + byte);
    }
    STRUCTMAT_INLINE void load(char* z, Value* a) const {
      STRUCTMAT_UNROLL
      for (int k = 0; k < R; ++k) a[k] = at(z, k);
    }
    STRUCTMAT_INLINE void store(char* z, const Value* a) const {
      STRUCTMAT_UNROLL
      for (int k = 0; k < R; ++k) at(z, k) = a[k];
    }

    STRUCTMAT_INLINE void divide(Value* a, const Value* w) const {
      if (REAL && block == 0) {
        split_real<R>(a);
        if (PASS == LAST) a[0] = {a[0].re + a[0].im, a[0].re - a[0].im};
      } else {
        if constexpr (PASS > 0) {
          STRUCTMAT_UNROLL
          for (int k = 1; k < R; ++k) a[k] = a[k] * w[twiddles(PASS) + (k - 1) * BLOCKS + block];
        }
        split<R>(a);
      }
    }
    STRUCTMAT_INLINE void unite(Value* a, const Value* w) const {
      if (REAL && block == 0) {
        if (PASS == LAST) a[0] = {T(0.5) * (a[0].re + a[0].im), T(0.5) * (a[0].re - a[0].im)};
        merge_real<R>(a);
      } else {
        merge<R>(a);
        if constexpr (PASS > 0) {
          STRUCTMAT_UNROLL
          for (int k = 1; k < R; ++k) a[k] = a[k] * conj(w[twiddles(PASS) + (k - 1) * BLOCKS + block]);
        }
      }
    }

    // Values, which the last pass leaves: their index in a spectrum, and the first one, which is a pair of real values.
    STRUCTMAT_INLINE int index(int k) const { return k * BLOCKS + block; }
    STRUCTMAT_INLINE bool is_pair(int k) const { return REAL && k == 0 && block == 0; }
    STRUCTMAT_INLINE Value times(Value a, Value b, int k) const {
      return is_pair(k) ? Value{a.re * b.re, a.im * b.im} : a * b;
    }
    STRUCTMAT_INLINE Value signed_by(T sign, Value a, int k) const {  // a for 1, its conjugate for -1
      return {a.re, is_pair(k) ? a.im : sign * a.im};
    }
  };

  using First = Butterfly<0>;
  using Leaf = Butterfly<LAST>;

  template <class Run>
  STRUCTMAT_INLINE static void read(Run run, char* z, Rows<const Entry*> x) {
    run.template operator()<First::COUNT>([=](int t, int) {
      const First b(t);
      Value a[First::R];
      STRUCTMAT_UNROLL
      for (int k = 0; k < First::R; ++k) {
        const Entry* source = x.first + b.row * x.step + b.entry + k * First::STRIDE;
        if constexpr (REAL) {
          a[k] = b.row < x.count ? Value{source[0], source[SLOTS]} : Value{};
        } else {
          a[k] = b.row < x.count ? *source : Value{};
        }
      }
      b.divide(a, nullptr);
      b.store(z, a);
    });
  }

  template <class Run>
  STRUCTMAT_INLINE static void write(Run run, char* z, Rows<Entry*> y) {
    run.template alone<First::COUNT>([=](int t, int) {
      const First b(t);
      Value a[First::R];
      b.load(z, a);
      b.unite(a, nullptr);
      if (b.row >= y.count) return;
      STRUCTMAT_UNROLL
      for (int k = 0; k < First::R; ++k) {
        Entry* target = y.first + b.row * y.step + b.entry + k * First::STRIDE;
        if constexpr (REAL) {
          target[0] = a[k].re;
          target[SLOTS] = a[k].im;
        } else {
          *target = a[k];
        }
      }
    });
  }

  // The passes between the first and the last one.
  template <int PASS, class Run>
  STRUCTMAT_INLINE static void inward(Run run, char* z, const Value* w) {
    if constexpr (PASS < LAST) {
      using B = Butterfly<PASS>;
      run.template operator()<B::COUNT>([=](int t, int) {
        const B b(t);
        Value a[B::R];
        b.load(z, a);
        b.divide(a, w);
        b.store(z, a);
      });
      inward<PASS + 1>(run, z, w);
    }
  }
  template <int PASS, class Run>
  STRUCTMAT_INLINE static void outward(Run run, char* z, const Value* w) {
    if constexpr (PASS > 0) {
      using B = Butterfly<PASS>;
      run.template operator()<B::COUNT>([=](int t, int) {
        const B b(t);
        Value a[B::R];
        b.load(z, a);
        b.unite(a, w);
        b.store(z, a);
      });
      outward<PASS - 1>(run, z, w);
    }
  }

  // Values of rows, times 1 / SLOTS: ROWS spectra.
  template <class Run>
  STRUCTMAT_INLINE static void spectrum(Run run, char* z, Rows<const Entry*> x, Value* h, const Value* w) {
    read(run, z, x);
    inward<1>(run, z, w);
    run.template operator()<Leaf::COUNT>([=](int t, int) {
      const Leaf b(t);
      Value a[Leaf::R];
      b.load(z, a);
      b.divide(a, w);
      if (b.row >= x.count) return;
      STRUCTMAT_UNROLL
      for (int k = 0; k < Leaf::R; ++k) {
        h[b.row * SLOTS + b.index(k)] = {a[k].re * T(1.0 / SLOTS), a[k].im * T(1.0 / SLOTS)};
      }
    });
  }

  // The inverse, of values that have no factor.
  template <class Run>
  STRUCTMAT_INLINE static void column(Run run, char* z, const Value* h, Rows<Entry*> y, const Value* w) {
    run.template operator()<Leaf::COUNT>([=](int t, int) {
      const Leaf b(t);
      Value a[Leaf::R];
      STRUCTMAT_UNROLL
      for (int k = 0; k < Leaf::R; ++k) {
        a[k] = b.row < y.count ? h[b.row * SLOTS + b.index(k)] : Value{};
        a[k] = {a[k].re * T(1.0 / SLOTS), a[k].im * T(1.0 / SLOTS)};
      }
      b.unite(a, w);
      b.store(z, a);
    });
    outward<LAST - 1>(run, z, w);
    write(run, z, y);
  }

  // y = C x with the spectrum h of C; sign is -1 for the conjugate transpose, else 1.
  template <class Run>
  STRUCTMAT_INLINE static void product(Run run, char* z, Rows<const Entry*> x, Rows<Entry*> y, const Value* w, const Value* h,
                                       T sign) {
    read(run, z, x);
    inward<1>(run, z, w);
    run.template operator()<Leaf::COUNT>([=](int t, int) {
      const Leaf b(t);
      Value a[Leaf::R];
      b.load(z, a);
      b.divide(a, w);
      STRUCTMAT_UNROLL
      for (int k = 0; k < Leaf::R; ++k) a[k] = b.times(a[k], b.signed_by(sign, h[b.index(k)], k), k);
      b.unite(a, w);
      b.store(z, a);
    });
    outward<LAST - 1>(run, z, w);
    write(run, z, y);
  }

  // dx = C^H g, and conj(x) g in values, added to sums[place]; kept[place] is memory for those of x.
  template <class Run>
  STRUCTMAT_INLINE static void gradient(Run run, char* z, Rows<const Entry*> x, Rows<const Entry*> g, Rows<Entry*> dx,
                                        const Value* w, const Value* h, T sign, Value (*kept)[Leaf::R],
                                        Value (*sums)[Leaf::R]) {
    read(run, z, x);
    inward<1>(run, z, w);
    run.template operator()<Leaf::COUNT>([=](int t, int place) {
      const Leaf b(t);
      b.load(z, kept[place]);
      b.divide(kept[place], w);
    });
    read(run, z, g);
    inward<1>(run, z, w);
    run.template operator()<Leaf::COUNT>([=](int t, int place) {
      const Leaf b(t);
      Value a[Leaf::R];
      b.load(z, a);
      b.divide(a, w);
      STRUCTMAT_UNROLL
      for (int k = 0; k < Leaf::R; ++k) {
        sums[place][k] = sums[place][k] + b.times(a[k], b.signed_by(T(-1), kept[place][k], k), k);
        a[k] = b.times(a[k], b.signed_by(-sign, h[b.index(k)], k), k);
      }
      b.unite(a, w);
      b.store(z, a);
    });
    outward<LAST - 1>(run, z, w);
    write(run, z, dx);
  }
};

#ifdef __CUDACC__
template <int THREADS>
struct Threads {
  template <int COUNT, class Phase>
  __device__ __forceinline__ void alone(Phase phase) const {  // without the barrier
    _Pragma("unroll 1") for (int place = 0; place < (COUNT + THREADS - 1) / THREADS; ++place) {
      const int t = int(threadIdx.x) + place * THREADS;
      if (COUNT % THREADS == 0 || t < COUNT) phase(t, place);
    }
  }
  template <int COUNT, class Phase>
  __device__ __forceinline__ void operator()(Phase phase) const {
    alone<COUNT>(phase);
    __syncthreads();
  }
};

extern __shared__ __align__(16) char shared[];

// Rows from `first` on, `step` apart, of an array of B rows.
template <class Pointer>
__device__ __forceinline__ Rows<Pointer> rows(Pointer array, long long stride, long long first, long long step, long long B) {
  const long long count = first < B ? (B - first + step - 1) / step : 0;
  return {array + first * stride, step * stride, count < 4096 ? int(count) : 4096};
}
}

// What `_backend/cuda.py` defines: the scalar, and the layout of rows and threads.
using C = structmat::Circulant<STRUCTMAT_SCALAR, STRUCTMAT_REAL, STRUCTMAT_ROWS, STRUCTMAT_RADICES>;
using Entry = C::Entry;
using Value = C::Value;
constexpr int THREADS = STRUCTMAT_THREADS;
constexpr structmat::Threads<THREADS> run;

#define STRUCTMAT_KERNEL extern "C" __global__ void __launch_bounds__(THREADS, STRUCTMAT_BLOCKS)

#ifndef STRUCTMAT_GRADIENT

STRUCTMAT_KERNEL spectrum(const Entry* __restrict__ column, Value* __restrict__ h, const Value* __restrict__ w) {
  C::spectrum(run, structmat::shared, {column, 0, 1}, h, w);
}

STRUCTMAT_KERNEL product(const Entry* __restrict__ x, long long x_stride, Entry* __restrict__ y, long long y_stride, long long B,
                         const Value* __restrict__ w, const Value* __restrict__ h, int sign) {
  const long long first = (long long)C::ROWS_AT_ONCE * blockIdx.x;
  C::product(run, structmat::shared, structmat::rows(x, x_stride, first, 1, B), structmat::rows(y, y_stride, first, 1, B), w, h, sign);
}

#else

// Part p of the sums is over the rows p * length, ..., (p + 1) * length - 1.
STRUCTMAT_KERNEL gradient(const Entry* __restrict__ x, long long x_stride, const Entry* __restrict__ g, long long g_stride,
                          Entry* __restrict__ dx, long long dx_stride, long long B, const Value* __restrict__ w,
                          const Value* __restrict__ h, int sign, int length, Value* __restrict__ parts) {
  constexpr int PLACES = (C::Leaf::COUNT + THREADS - 1) / THREADS;
  Value kept[PLACES][C::Leaf::R], sums[PLACES][C::Leaf::R] = {};
  const long long first = (long long)C::ROWS_AT_ONCE * blockIdx.x * length;
  for (int i = 0; i < length; ++i) {
    C::gradient(run, structmat::shared, structmat::rows(x, x_stride, first + i, length, B),
                structmat::rows(g, g_stride, first + i, length, B), structmat::rows(dx, dx_stride, first + i, length, B), w, h, sign,
                kept, sums);
  }
  parts += (long long)C::ROWS_AT_ONCE * blockIdx.x * C::SLOTS;
  run.alone<C::Leaf::COUNT>([&](int t, int place) {
    const C::Leaf b(t);
    STRUCTMAT_UNROLL
    for (int k = 0; k < C::Leaf::R; ++k) parts[b.row * C::SLOTS + b.index(k)] = b.signed_by(sign, sums[place][k], k);
  });
}

// The sums of each 1024 parts in pairs, by 32 x 32 threads for 32 slots.
extern "C" __global__ void __launch_bounds__(1024) total(const Value* __restrict__ parts, int count, Value* __restrict__ sums) {
  __shared__ Value sum[32][33];
  const int x = threadIdx.x % 32, y = threadIdx.x / 32, slot = 32 * blockIdx.x + x, first = 1024 * blockIdx.y + 32 * y;
  Value own[32];
  STRUCTMAT_UNROLL
  for (int k = 0; k < 32; ++k) {
    own[k] = slot < C::SLOTS && first + k < count ? parts[(long long)(first + k) * C::SLOTS + slot] : Value{};
  }
  STRUCTMAT_UNROLL
  for (int step = 1; step < 32; step *= 2) {
    STRUCTMAT_UNROLL
    for (int k = 0; k + step < 32; k += 2 * step) own[k] = own[k] + own[k + step];
  }
  sum[y][x] = own[0];
  for (int width = 16; width > 0; width /= 2) {
    __syncthreads();
    if (y < width) sum[y][x] = sum[y][x] + sum[y + width][x];
  }
  if (y == 0 && slot < C::SLOTS) sums[(long long)blockIdx.y * C::SLOTS + slot] = sum[0][x];
}

STRUCTMAT_KERNEL column(const Value* __restrict__ h, Entry* __restrict__ column, const Value* __restrict__ w) {
  C::column(run, structmat::shared, h, {column, 0, 1}, w);
}

#endif
#else
}
#endif
