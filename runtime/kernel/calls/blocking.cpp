#include "kernel/calls/blocking.hpp"

#include <algorithm>
#include <iterator>

namespace epic::kernel {

using detail::FileAction;
using detail::FileWork;

void Blocking::leave(const FileWork& work) {
  const FileLines::State state = lines_.state_of(work);
  if (state == FileLines::State::begun) return;
  if (state == FileLines::State::ready) --count_;
  begin(lines_.leave(work));
}

void Blocking::start(std::shared_ptr<detail::BlockingWork> work, detail::ParkedWait& waiter) {
  ++count_;
  work->waiter = &waiter;
  if (const FileWork* const file = work->as_file())
    begin(lines_.on_ready(*file));
  else
    syscalls_.start_blocking(std::move(work));
}

void Blocking::on_ended(detail::BlockingWork& work) {
  --count_;
  if (work.waiter != nullptr) parked_.resume(*work.waiter);
  if (const auto writer = writers_.extract(&work)) written_.push_back(writer.mapped());
  FileWork* const file = work.as_file();
  if (file == nullptr) return;
  if (file->action == FileAction::close) --open_files_.count;
  end(*file);
}

// ---- requests of open files ----

void Blocking::submit(const std::shared_ptr<FileWork>& work) {
  ++count_;
  lines_.join(work);
  begin(lines_.on_ready(*work));
}

void Blocking::drop(const std::shared_ptr<FileWork>& work) {
  if (work->has_ended || has_ended_) return;
  work->abandon();
  if (lines_.state_of(*work) == FileLines::State::begun) return;
  --count_;
  end(*work);
}

void Blocking::hold(const std::shared_ptr<FileWork>& work, std::optional<ShardId> shard) {
  unwritten_.emplace(work.get(), shard);
  lines_.join(work);
}

void Blocking::on_refused(const std::shared_ptr<FileWork>& work, std::exception_ptr why) {
  work->fail(std::move(why));
  end(*work);
}

void Blocking::begin_released() {
  for (const std::shared_ptr<FileWork>& work : std::exchange(released_, {})) {
    ++count_;
    begin(lines_.on_ready(*work));
  }
}

void Blocking::close(std::shared_ptr<FileWork> work) {
  if (has_ended_) return;
  ++count_;
  syscalls_.start_blocking(std::move(work));
}

// ---- lines ----

void Blocking::begin(std::vector<FileLines::Work> files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const FileLines::Work file = files[i];
    if (file->owner && !file->owner->on_begun(*file)) {
      --count_;
      finish(*file);
      std::ranges::move(lines_.leave(*file), std::back_inserter(files));
      continue;
    }
    if (file->waiter != nullptr && file->is_change())
      if (const Activation* const writer = activation_of(file->waiter->waiter.execution))
        writers_.emplace(file.get(), writer->shard);
    syscalls_.start_blocking(file);
  }
}

void Blocking::end(FileWork& work) {
  finish(work);
  begin(lines_.leave(work));
}

/// Its owner learns of it, before those behind it begin.
void Blocking::finish(FileWork& work) {
  work.has_ended = true;
  const std::shared_ptr<detail::FileOwner> owner =
      std::move(work.owner);  // shared with the File, if there still is one
  if (owner) owner->on_ended(work);
  work.handle.reset();
  if (const auto taken = unwritten_.extract(&work); !taken.empty() && taken.mapped())
    written_.push_back(*taken.mapped());
}

void Blocking::forget_files() {
  has_ended_ = true;
  const auto owners = lines_.take_owners();  // they may go away, now that nothing of them is here
  lines_ = {};
  unwritten_.clear();
  released_.clear();
}

bool Blocking::is_writing(ShardId shard) const {
  return std::ranges::any_of(writers_, [shard](const auto& writer) { return writer.second == shard; }) ||
         std::ranges::any_of(unwritten_, [shard](const auto& taken) { return taken.second == shard; });
}

}  // namespace epic::kernel
