#pragma once
// FileRequest: a request for a file that a frame waits for. It is in the file's line from when it is made until that
// frame goes away.
//
// Not here: requests that no frame carries (open_file.hpp).

#include <memory>
#include <string_view>
#include <utility>

#include "epic/files.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::detail {

/// Throws std::invalid_argument if it might lead out of the project's folder, whatever that contains.
void check_file_path(std::string_view path);
/// Throws std::length_error if these are too many to be read or written at once.
void check_file_bytes(std::string_view path, std::size_t bytes);

class FileRequest {
 public:
  /// `work` knows its entity.
  explicit FileRequest(std::shared_ptr<FileWork> work) : work_(std::move(work)) {
    kernel::here("a request for a file").blocking().join(work_);
  }
  FileRequest(const FileRequest&) = delete;
  FileRequest& operator=(const FileRequest&) = delete;
  ~FileRequest() {
    if (kernel::Kernel* const kernel = kernel::Kernel::current_kernel()) kernel->blocking().leave(*work_);
  }
  [[nodiscard]] const std::shared_ptr<FileWork>& work() const { return work_; }
  FileResult take() { return work_->outcome.take(); }

 private:
  std::shared_ptr<FileWork> work_;  // shared with those who carry it out
};

}  // namespace epic::detail
