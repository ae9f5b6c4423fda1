#pragma once
// CrashReport: what a node that dies leaves behind: which method of which entity it was running, and where, and how
// much of its log is lost.
//
// It lies in memory that the node shares with its supervisor, which reads it when the process has ended, and believes
// nothing of it: a damaged node may have written anything. There are two sources:
// - The node's last act, if it has one: a signal's handler, or exit() (node/crash_handler.hpp). It knows where, too,
// and
//   that the entity's own code has done it. Nothing else of the node can be relied on then: fixed arrays, no
//   allocation, and first what is most sure to succeed: a stack that is damaged may end the handler in the middle of
//   its trace.
// - What the kernel shows all the time (kernel/running_page.hpp), for ends without any last act: SIGKILL, by which a
//   system without memory ends a process, or system calls past the C library. That may be chance, unless the turn has
//   gone on for a while, which is noted here.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernel/running_page.hpp"

namespace epic::protocol {

struct CrashReport {
  static constexpr std::size_t kFramesMax = 32;
  struct Frame {
    std::array<char, 64> library;  // the last part of its path
    std::array<char, 256> symbol;  // mangled; empty: none is known
    std::uint64_t offset;          // from the symbol, or from the start of the library
  };
  std::atomic<bool> has_names;  // of the entity and its method, which are written before it
  kernel::EntityText entity;    // "Type/Key" as in the store; empty: the end is not the deed of an entity
  kernel::MethodText method;
  std::atomic<std::uint32_t> frame_count;  // each is counted when it has been written
  std::array<Frame, kFramesMax> frames;    // innermost first

  std::atomic<std::uint64_t> unwritten_lines;  // of its log: buffered, or dropped and not reported yet

  std::atomic<std::uint64_t> turn;  // odd: within one
  // Of a turn that has gone on for a while:
  std::atomic<std::uint64_t> noted_turn;  // the last thing that is written
  kernel::EntityText noted_entity;
  kernel::MethodText noted_method;

  kernel::RunningPage running;
};

}  // namespace epic::protocol
