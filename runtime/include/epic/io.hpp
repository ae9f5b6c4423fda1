#pragma once
// io: what lies below epic::File, for those who order and buffer for themselves: one request each, done when it
// returns.
//
//   epic::File pages = co_await epic::open("pages", epic::FileMode::update);
//   auto first = epic::spawn(epic::io::write_at(pages, 0, one));
//   auto second = epic::spawn(epic::io::write_at(pages, 1 << 20, two));  // both are under way
//   co_await first;                                                      // the first is in the file
//
// A request begins when it is awaited or spawned, goes to another thread as it is, and completes there: nothing is read
// ahead, kept back or put together with others. Its error is thrown here, and nowhere else; requests behind it go on.
// Reads of one file run at the same time as each other; what changes the file is carried out in the order in which it
// was begun, also between these and the operations of the File itself, whose place they neither use nor move.
//
// As with File, a change begins once everything that the entity has changed and seen so far is durable. It is then in
// the file for every reader; on disk it is after a sync(). A request that is cancelled may have been carried out.
//
// Errors: as of File (file.hpp), and Overloaded as of epic::blocking, as each request waits for one of its threads.

#include <cstddef>
#include <cstdint>
#include <string>

#include "epic/file.hpp"
#include "epic/task.hpp"

namespace epic::io {

/// Returns fewer than `bytes_max` bytes only at the end of the file.
[[nodiscard]] Task<std::string> read_at(const File& file, std::uint64_t offset, std::size_t bytes_max);
/// A gap beyond the end is filled with zeros. Throws std::logic_error with FileMode::append.
[[nodiscard]] Task<void> write_at(const File& file, std::uint64_t offset, std::string content);
/// Writes at the end of the file, wherever that is by then. Throws std::logic_error unless with FileMode::append.
[[nodiscard]] Task<void> append(const File& file, std::string content);
/// When it returns, all changes of the file that have returned before it was begun are on disk.
[[nodiscard]] Task<void> sync(const File& file);

}  // namespace epic::io
