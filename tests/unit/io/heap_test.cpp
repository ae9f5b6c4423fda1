#include "io/heap.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "io/resident.hpp"

using epic::io::HeapTrimmer;

TEST_CASE("heap: what threads count is summed up", "[io][threads]") {
  const std::uint64_t before = epic::io::heap_bytes();
  epic::io::count_heap_bytes(1'000);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 100; ++i) threads.emplace_back([] { epic::io::count_heap_bytes(10); });
  threads.clear();
  CHECK(epic::io::heap_bytes() == before + 2'000);
  std::jthread([] { epic::io::count_heap_bytes(-1'500); }).join();  // frees what another thread has allocated
  CHECK(epic::io::heap_bytes() == before + 500);
  epic::io::count_heap_bytes(-500);
}

#if !defined(__has_feature) || (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
TEST_CASE("heap: after a burst free memory returns to the system, in pieces, and stays usable", "[io]") {
  constexpr std::size_t kCount = 400'000;
  const std::uint64_t before = epic::io::resident_bytes();
  std::mt19937 random(5);
  std::vector<std::pair<char*, std::size_t>> burst;
  std::uint64_t in_use = before;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::size_t bytes = 64 + random() % 1'000;
    burst.emplace_back(static_cast<char*>(std::malloc(bytes)), bytes);
    std::memset(burst.back().first, static_cast<int>(i % 100), bytes);
    in_use += bytes;
  }
  const std::uint64_t peak = epic::io::resident_bytes();
  REQUIRE(peak > before + (std::uint64_t{150} << 20));

  HeapTrimmer trimmer;
  std::int64_t now_ns = 0;
  trimmer.on_tick(now_ns, in_use);
  std::vector<std::pair<std::size_t, std::pair<char*, std::size_t>>> survivors;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (i % 2'000 == 1'999)
      survivors.emplace_back(i, burst[i]);
    else
      std::free(burst[i].first);
  }
  int ticks = 0;
  for (int second = 1; second < 5; ++second) {
    now_ns += 1'000'000'000;
    do trimmer.on_tick(now_ns, before);
    while (++ticks < 1'000'000 && trimmer.next_timer_ns() == 0);
  }
  CHECK(ticks > 10);  // in pieces
  CHECK(epic::io::resident_bytes() < before + (peak - before) / 3);
  for (const auto& [i, kept] : survivors) {
    CHECK(kept.first[0] == static_cast<char>(i % 100));
    CHECK(kept.first[kept.second - 1] == static_cast<char>(i % 100));
    std::free(kept.first);
  }
}
#endif
