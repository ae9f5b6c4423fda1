#pragma once
// Limits: every bound of a node in one place. At a bound the caller gets Overloaded (or the error named here), never a
// growing heap. Settable ones are defaults of KernelOptions.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace epic::kernel::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t kKeyBytesMax = 1024;
inline constexpr std::size_t kTypeNameBytesMax = 256;
inline constexpr std::size_t kStateBytesMax = 8u << 20;       // StateTooLarge
inline constexpr std::size_t kArgumentsBytesMax = 16u << 20;  // also results
inline constexpr std::size_t kFrameBytesMax = 24u << 20;      // an envelope around the former
inline constexpr std::size_t kErrorTextBytesMax = 64u << 10;  // of what a method threw; the rest is cut off
inline constexpr std::size_t kEntityQueueMax = 65'536;        // calls that wait for one entity
inline constexpr std::uint64_t kCallsBytesMax = 1u << 30;     // frames and records of one node's calls in flight
inline constexpr std::size_t kPendingCallsMax = 1u << 20;     // calls of one client that have not ended
inline constexpr std::size_t kChainLengthMax = 256;           // calls that wait for calls
inline constexpr std::uint32_t kDirectCallsMax = 256;  // local calls run in place before the run queue has its turn
inline constexpr std::chrono::nanoseconds kCallPatience = 30s;         // the default deadline
inline constexpr std::chrono::nanoseconds kDeadlockSuspicion = 100ms;  // of waiting for a lock; then a probe is sent
inline constexpr std::chrono::nanoseconds kProbesGather = 5ms;         // probes that came are followed together
inline constexpr std::size_t kProbesMax = 1'024;                       // that wait for it, or are sent in one go
inline constexpr std::chrono::nanoseconds kProbePausePerCall = 2us;    // after each look through the table of calls
inline constexpr std::chrono::nanoseconds kTimeoutLead =
    100ms;                                                   // a callee's node tells of a time-out before the caller's
inline constexpr std::chrono::nanoseconds kIdleAge = 10min;  // then an activation is collected
inline constexpr std::chrono::nanoseconds kReleasePatience = 10s;  // with calls that run, before a shard leaves
inline constexpr std::chrono::nanoseconds kReleaseWindow = 25ms;   // for so long a shard that leaves is closed at first
inline constexpr int kReleaseWindowGrowth = 4;                     // … and so many times longer each further time
inline constexpr std::chrono::nanoseconds kReleaseOpenMax = 100ms;  // between two of them
inline constexpr std::chrono::nanoseconds kReplacePatience = 10s;   // with calls that run, before a state is replaced
inline constexpr std::size_t kReplacementsMax = 16'384;             // of one node, under way
inline constexpr int kLooksInIdleAge = 8;                           // of the collector, at each activation
inline constexpr std::chrono::nanoseconds kCollectEvery = 1s;
inline constexpr std::chrono::nanoseconds kCollectSoon = 10ms;   // when one slice was not enough
inline constexpr std::chrono::nanoseconds kRetryParked = 100ms;  // calls that were refused, when no newer map has come
inline constexpr std::size_t kCollectSlice = 512;                // activations looked at in one go
inline constexpr std::size_t kTrailLivesMax = 8'192;             // entries of the trail; the oldest go …
inline constexpr std::size_t kTrailSavesMax = 4'096;
inline constexpr std::size_t kTrailBytesMax = 2u << 20;  // … and of each of its two rings
inline constexpr std::size_t kTrailWhyBytesMax = 1'024;
inline constexpr std::chrono::nanoseconds kSavesWindow = 2s;  // saves of one activation within it are one entry
inline constexpr std::chrono::nanoseconds kSlowToStop = 1s;   // then the trail says what keeps an activation
inline constexpr std::size_t kStopsWatchedMax = 4'096;        // that are waited for so, at once
inline constexpr std::size_t kDescribesMax =
    16;  // time-outs of one tick that name what the call waits for: a look each
inline constexpr std::size_t kCallViewsMax = 2'000;  // calls in flight that are described at once; the oldest
inline constexpr std::chrono::nanoseconds kHeldCheckEvery = 50ms;  // while the store is blocked

}  // namespace epic::kernel::limits
