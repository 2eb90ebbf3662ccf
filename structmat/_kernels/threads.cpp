// A pool of threads that all calls share. A thread is started when a call first needs it. Between
// calls it waits for the next one for some microseconds, and then sleeps: waking a thread takes as
// long as a small product.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "kernels.hpp"

namespace structmat {
namespace {

// A call of `parallel_for`. It lives on the caller's stack, and its links are guarded by the pool's
// mutex.
struct Job {
  Work work;
  void* context;
  Index blocks;
  std::atomic<Index> next{0};
  int wanted;  // workers that may still join
  std::atomic<int> joined{0};
  std::exception_ptr error;
  Job* following = nullptr;  // in the queue
};

// A call inside a block runs on its own thread: workers that wait for workers could wait forever.
thread_local bool is_inside_a_block = false;

void run_serially(Index blocks, Work work, void* context) {
  for (Index block = 0; block < blocks; ++block) work(context, block);
}

// Waits a short time for a condition without giving up the processor; tells whether it holds.
template <class Condition>
bool holds_soon(const Condition& condition) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + std::chrono::microseconds(50);
  do {
    for (int k = 0; k < 32; ++k) {
      if (condition()) return true;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#elif defined(__aarch64__)
      asm volatile("yield");
#endif
    }
  } while (Clock::now() < end);
  return false;
}

class Pool {
 public:
  void run(Job& job) {
    const bool wants_one = job.wanted == 1;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      start_threads(job.wanted);
      append(job);
    }
    if (wants_one) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    take_blocks(job);

    {
      std::lock_guard<std::mutex> lock(mutex_);
      remove(job);
    }
    const auto is_done = [&job] { return job.joined == 0; };
    if (has_spare_cores() && holds_soon(is_done)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, is_done);
  }

 private:
  static constexpr int most_threads = 64;

  static int cores() { return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1); }
  static int limit() { return std::min(most_threads, 2 * cores()); }

  // Whether a thread that waits without sleeping leaves a core for each of the others.
  bool has_spare_cores() const { return threads_ < cores(); }

  // As many as jobs in the queue may use, up to the limit. A thread that can't be started is not
  // missed: the caller takes all blocks that no worker takes.
  void start_threads(int wanted) {
    for (const Job* job = first_; job != nullptr; job = job->following) wanted += job->wanted;
    const int most = limit();
    if (idle_ >= wanted || threads_ >= most) return;
    // Signals are for the threads of the interpreter.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; idle_ < wanted && threads_ < most; ++idle_, ++threads_) {
        std::thread(&Pool::serve, this).detach();
      }
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void append(Job& job) {
    Job** place = &first_;
    while (*place != nullptr) place = &(*place)->following;
    *place = &job;
    has_jobs_ = true;
  }

  void remove(Job& job) {
    for (Job** place = &first_; *place != nullptr; place = &(*place)->following) {
      if (*place == &job) {
        *place = job.following;
        break;
      }
    }
    has_jobs_ = first_ != nullptr;
  }

  // What a worker does, for as long as the process lives.
  void serve() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (first_ == nullptr && has_spare_cores()) {
        lock.unlock();
        holds_soon([this] { return has_jobs_.load(std::memory_order_relaxed); });
        lock.lock();
      }
      wake_.wait(lock, [this] { return first_ != nullptr; });
      Job& job = *first_;
      --idle_;
      ++job.joined;
      if (--job.wanted == 0) remove(job);
      lock.unlock();
      take_blocks(job);
      lock.lock();
      ++idle_;
      if (--job.joined == 0) done_.notify_all();
    }
  }

  void take_blocks(Job& job) {
    is_inside_a_block = true;
    try {
      for (;;) {
        const Index block = job.next.fetch_add(1, std::memory_order_relaxed);
        if (block >= job.blocks) break;
        job.work(job.context, block);
      }
    } catch (...) {
      job.next = job.blocks;  // no further block is begun
      std::lock_guard<std::mutex> lock(mutex_);
      if (job.error == nullptr) job.error = std::current_exception();
    }
    is_inside_a_block = false;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  Job* first_ = nullptr;
  std::atomic<bool> has_jobs_{false};  // whether first_ is not null
  std::atomic<int> threads_{0};
  int idle_ = 0;
};

// The pool is never destroyed: its threads may sleep on it until the process ends.
std::atomic<Pool*> pool{nullptr};

// A child of fork has none of the threads, and perhaps a locked mutex: it starts with a new pool.
void forget_pool() { pool = nullptr; }

Pool& shared_pool() {
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  static_cast<void>(registered);
  Pool* current = pool;
  if (current == nullptr) {
    Pool* created = new Pool;
    if (pool.compare_exchange_strong(current, created)) return *created;
    delete created;
  }
  return *current;
}

}  // namespace

void parallel_for(Index blocks, int threads, Work work, void* context) {
  const Index useful = std::min<Index>(threads, blocks);
  if (useful <= 1 || is_inside_a_block) return run_serially(blocks, work, context);
  Job job;
  job.work = work;
  job.context = context;
  job.blocks = blocks;
  job.wanted = static_cast<int>(useful - 1);
  shared_pool().run(job);
  if (job.error != nullptr) std::rethrow_exception(job.error);
}

}  // namespace structmat
