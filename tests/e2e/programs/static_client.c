// SPDX-License-Identifier: Apache-2.0
// static_client ADDRESS PORT LINE: sends LINE, ends its side, reads to the end and copies it to
// standard output. Linked statically: no loader, no library to hook into.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};
  int is_v4 = inet_pton(AF_INET, argv[1], &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, argv[1], &v6.sin6_addr) != 1) return 2;
  struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

  int fd = socket(address->sa_family, SOCK_STREAM, 0);
  if (connect(fd, address, is_v4 ? sizeof v4 : sizeof v6) != 0) {
    perror("connect");
    return 1;
  }
  if (dprintf(fd, "%s\n", argv[3]) < 0 || shutdown(fd, SHUT_WR) != 0) {
    perror("send");
    return 1;
  }
  static char buffer[1 << 16];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0)
    fwrite(buffer, 1, (size_t)got, stdout);
  if (got < 0) {
    perror("receive");
    return 1;
  }
  return 0;
}
