#pragma once
// StorageWorkers: StorageWork done by two threads.

#include <array>
#include <thread>

#include "io/storage_work.hpp"

namespace epic::io {

class StorageWorkers final : public StorageWork {
 public:
  /// `wake` is called on one of the threads when events() has something new.
  StorageWorkers(std::unique_ptr<storage::Store> store, std::function<void()> wake);
  /// Finishes what is in progress, and nothing more.
  ~StorageWorkers() { close(); }

  /// Ends the threads and closes the store; no further calls are allowed.
  void close();

 private:
  void run();

  bool is_ending_ = false;  // with the mutex
  std::array<std::thread, kWorkersMax> threads_;
};

}  // namespace epic::io
