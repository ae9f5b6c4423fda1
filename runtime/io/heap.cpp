#include "io/heap.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

#include "io/clock.hpp"
#include "io/resident.hpp"

namespace epic::io {

namespace {

// ---- counting

/// A cache line each, so that threads do not disturb each other.
struct alignas(64) Counter {
  std::atomic<std::int64_t> bytes{0};
};
constexpr std::size_t kCounterCount = 64;  // the last is shared by all further threads
constinit std::array<Counter, kCounterCount> g_counters{};
constinit std::atomic<std::size_t> g_thread_count{0};
constinit thread_local Counter* t_counter = nullptr;

// ---- trimming

constexpr std::int64_t kLookEveryNs = 1'000'000'000;
constexpr std::int64_t kWorkNs = 300'000;  // per tick
constexpr std::uint64_t kWorthwhileBytes = std::uint64_t{64} << 20;
constexpr std::size_t kPieceBytesMax = std::size_t{1} << 20;
constexpr std::size_t kPieceBytesMin = std::size_t{64} << 10;
constexpr std::size_t kPiecesMax = 65'536;

}  // namespace

void count_heap_bytes(std::int64_t bytes) noexcept {
  if (t_counter == nullptr) [[unlikely]]
    t_counter = &g_counters[std::min(g_thread_count.fetch_add(1, std::memory_order_relaxed), kCounterCount - 1)];
  std::atomic<std::int64_t>& mine = t_counter->bytes;
  if (t_counter == &g_counters.back()) [[unlikely]]
    mine.fetch_add(bytes, std::memory_order_relaxed);
  else  // nobody else writes it
    mine.store(mine.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
}

std::uint64_t heap_bytes() {
  const std::size_t count = std::min(g_thread_count.load(std::memory_order_relaxed), kCounterCount);
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < count; ++i) bytes += g_counters[i].bytes.load(std::memory_order_relaxed);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0));
}

void HeapTrimmer::on_tick(std::int64_t now_ns, std::uint64_t bytes_in_use) {
  most_bytes_ = std::max(most_bytes_, bytes_in_use);
  if (piece_bytes_ != 0) return work();
  if (now_ns < next_look_ns_) return;
  next_look_ns_ = now_ns + kLookEveryNs;
  look(bytes_in_use);
}

/// A burst is over when less is in use than before, and no longer changes much.
void HeapTrimmer::look(std::uint64_t bytes_in_use) {
  const std::uint64_t before = std::exchange(looked_at_bytes_, bytes_in_use);
  const bool is_quiet = std::max(before, bytes_in_use) - std::min(before, bytes_in_use) < kWorthwhileBytes / 4;
  if (!is_quiet || most_bytes_ - bytes_in_use < kWorthwhileBytes) return;
  most_bytes_ = bytes_in_use;
  if (resident_bytes() > bytes_in_use + kWorthwhileBytes) piece_bytes_ = kPieceBytesMax;
}

void HeapTrimmer::work() {
  const std::int64_t until_ns = monotonic_ns() + kWorkNs;
  do {
    if (give_one()) continue;
    piece_bytes_ /= 4;
    if (piece_bytes_ >= kPieceBytesMin) continue;
    piece_bytes_ = 0;
    for (void* const piece : pieces_) std::free(piece);
    pieces_ = {};
    return;
  } while (monotonic_ns() < until_ns);
}

/// False: no free chunk of this size is left, so that the allocator would ask the system for more.
bool HeapTrimmer::give_one() {
  if (pieces_.size() == kPiecesMax) return false;
  const void* const end = ::sbrk(0);
  void* const memory = std::malloc(piece_bytes_);
  if (memory == nullptr) return false;
  const auto start = reinterpret_cast<std::uintptr_t>(memory);
  if (::sbrk(0) != end || start + piece_bytes_ > reinterpret_cast<std::uintptr_t>(end)) {
    std::free(memory);
    return false;
  }
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = (start + page - 1) / page * page;
  const std::uintptr_t to = (start + ::malloc_usable_size(memory)) / page * page;
  ::madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  pieces_.push_back(memory);
  return true;
}

std::optional<std::int64_t> HeapTrimmer::next_timer_ns() const {
  if (piece_bytes_ != 0) return 0;
  return most_bytes_ >= kWorthwhileBytes ? std::optional(next_look_ns_) : std::nullopt;
}

}  // namespace epic::io
