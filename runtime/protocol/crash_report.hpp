#pragma once
// CrashReport: what a node that dies in an entity's code leaves behind: which method of which entity it was running,
// and where, and how much of its log is lost.
//
// It lies in memory that the node shares with its supervisor. The node's signal handler fills it, when nothing else of
// the node can be relied on: fixed arrays, no allocation, and first what is most sure to succeed: a stack that is
// damaged may end the handler in the middle of its trace. SIGKILL, by which a system without memory ends a process, has
// no handler; but what uses up the memory usually runs for a while, and a turn that does is noted here. The
// supervisor reads it when the process has ended, and believes nothing of it: a damaged node may have written anything.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace epic::protocol {

struct CrashReport {
  static constexpr std::size_t kFramesMax = 32;
  struct Frame {
    std::array<char, 64> library;  // the last part of its path
    std::array<char, 256> symbol;  // mangled; empty: none is known
    std::uint64_t offset;          // from the symbol, or from the start of the library
  };
  std::atomic<bool> has_names;    // of the entity and its method, which are written before it
  std::array<char, 1024> entity;  // "Type/Key" as in the store; empty: no entity's code was running
  std::array<char, 128> method;
  std::atomic<std::uint32_t> frame_count;  // each is counted when it has been written
  std::array<Frame, kFramesMax> frames;    // innermost first

  std::atomic<std::uint64_t> unwritten_lines;  // of its log: buffered, or dropped and not reported yet

  std::atomic<std::uint64_t> turn;  // odd: within one
  // Of a turn that has gone on for a while:
  std::atomic<std::uint64_t> noted_turn;  // the last thing that is written
  std::array<char, 1024> noted_entity;
  std::array<char, 128> noted_method;
};

}  // namespace epic::protocol
