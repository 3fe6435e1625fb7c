# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(tunnel_test
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/tunnel_message_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/tunnel_refusal_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/tunnel_plaintext_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/tunnel_test.cc
          ${CMAKE_CURRENT_LIST_DIR}/pool_test.cc
  USES culvert_test_data_path tunnel crypto base)

# A peer that says what it is told, for end-to-end tests.
add_executable(tunnel_peer ${CMAKE_CURRENT_LIST_DIR}/../support/tunnel_peer.cc)
target_link_libraries(tunnel_peer PRIVATE culvert_test_data_path culvert_handshake culvert_identity
                      culvert_crypto culvert_base culvert_flags)
