#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>

#include "cli/app.hpp"

int main(int argc, char** argv) {
  // Who was started with one of the three closed would give its number to the next file or socket that it opens. This
  // way writing there fails, and is told.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  return epic::cli::run_app(argc, argv);
}
