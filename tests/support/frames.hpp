#pragma once
// Helpers for tests of wire formats: payloads without their header, and damaged versions of them.

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <span>
#include <vector>

#include "protocol/frame_buffer.hpp"

namespace epic::test {

/// The bytes of a frame after its header.
inline std::vector<std::byte> payload_of(const std::vector<std::byte>& frame) {
  REQUIRE(frame.size() >= protocol::kFrameHeaderBytes);
  return {frame.begin() + protocol::kFrameHeaderBytes, frame.end()};
}

/// EPIC_SEED, or a new one. The test CAPTUREs it, so that a failure prints it.
inline std::uint64_t make_seed() {
  const char* text = std::getenv("EPIC_SEED");
  return text ? std::strtoull(text, nullptr, 10) : std::random_device{}();
}

/// Calls `visit` with the payload with flipped bits, with overwritten words, truncated, and with random bytes.
template <class Visit>
void for_damaged(const std::vector<std::byte>& payload, std::mt19937_64 random, Visit visit) {
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> bytes = payload;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0 && !bytes.empty(); --flips)
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    visit(std::span<const std::byte>(bytes));
  }
  for (std::size_t size = 0; size < payload.size(); ++size) visit(std::span(payload).first(size));
  for (int round = 0; round < 100; ++round) {
    std::vector<std::byte> noise(random() % 256);
    for (auto& byte : noise) byte = static_cast<std::byte>(random());
    visit(std::span<const std::byte>(noise));
  }
}

}  // namespace epic::test
