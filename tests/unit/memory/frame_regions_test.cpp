#include "memory/frame_regions.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "epic/task.hpp"
#include "kernel/frame_pool.hpp"

namespace regions = epic::memory;

namespace {

std::vector<regions::Block*> take(std::size_t block_bytes, std::size_t count) {
  std::vector<regions::Block*> blocks;
  for (regions::Block* list = regions::take(block_bytes, count); list != nullptr; list = list->next)
    blocks.push_back(list);
  return blocks;
}

void give_back(const std::vector<regions::Block*>& blocks) {
  regions::Block* list = nullptr;
  for (regions::Block* block : blocks) {
    block->next = list;
    list = block;
  }
  regions::give_back(list);
}

}  // namespace

TEST_CASE("frame regions: blocks do not overlap, whatever their sizes", "[memory]") {
  std::vector<std::pair<regions::Block*, std::size_t>> all;
  for (const std::size_t bytes : {64u, 128u, 192u, 1024u, 1984u, 2048u})
    for (regions::Block* block : take(bytes, 2'000)) all.emplace_back(block, bytes);
  std::ranges::sort(all);
  for (std::size_t i = 1; i < all.size(); ++i)
    REQUIRE(reinterpret_cast<std::byte*>(all[i - 1].first) + all[i - 1].second <=
            reinterpret_cast<std::byte*>(all[i].first));
  for (const auto& [block, bytes] : all) std::memset(static_cast<void*>(block), 0xff, bytes);
  for (const auto& [block, bytes] : all) {
    block->next = nullptr;
    regions::give_back(block);
  }
}

TEST_CASE("frame regions: after a burst its memory is the system's again, though some blocks stay in use", "[memory]") {
  const std::size_t before = regions::region_count();
  std::vector<regions::Block*> blocks = take(512, 100'000);
  const std::size_t most = regions::region_count();
  CHECK(most >= before + 20);
  const std::vector<regions::Block*> survivors(blocks.begin(), blocks.begin() + 100);
  blocks.erase(blocks.begin(), blocks.begin() + 100);
  give_back(blocks);
  CHECK(regions::region_count() <= before + 3);
  give_back(survivors);
}

TEST_CASE("frame regions: blocks are used again, in any order and by any thread", "[memory][threads]") {
  const std::size_t before = regions::region_count();
  const auto work = [](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<void*, std::size_t>> held;
    for (int i = 0; i < 200'000; ++i) {
      if (held.size() < 2'000 || random() % 2 == 0) {
        const std::size_t bytes = 1 + random() % 2'300;
        void* const frame = epic::detail::allocate_frame(bytes);
        std::memset(frame, static_cast<int>(bytes % 251), bytes);
        held.emplace_back(frame, bytes);
      } else {
        std::swap(held[random() % held.size()], held.back());
        const auto [frame, bytes] = held.back();
        for (const std::size_t at : {std::size_t{0}, bytes - 1})
          if (static_cast<unsigned char*>(frame)[at] != bytes % 251) std::abort();
        epic::detail::free_frame(frame, bytes);
        held.pop_back();
      }
    }
    for (const auto& [frame, bytes] : held) epic::detail::free_frame(frame, bytes);
  };
  std::vector<std::jthread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  threads.clear();
  CHECK(regions::region_count() <= before + 3);
}

TEST_CASE("frame regions: what one thread has taken may be freed by another", "[memory][threads]") {
  std::vector<void*> frames;
  std::jthread([&] {
    for (int i = 0; i < 10'000; ++i) frames.push_back(epic::detail::allocate_frame(300));
  }).join();
  for (void* frame : frames) epic::detail::free_frame(frame, 300);
  CHECK(epic::kernel::frame_bytes() < 10'000 * 320);
}
