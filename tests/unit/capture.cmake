# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(capture_test SOURCES unit/capture_test.cc USES capture)

# The BPF programs with real sockets in namespaces and a cgroup of their own: as root.
add_executable(capture_netns_test bpf/capture_world.cc bpf/capture_sockets.cc bpf/policy_world.cc
               bpf/capture_outbound_test.cc bpf/capture_refusal_test.cc bpf/capture_inbound_test.cc
               bpf/capture_restart_test.cc bpf/capture_policy_test.cc bpf/policy_swap_test.cc
               bpf/policy_maps_test.cc bpf/steering_test.cc bpf/capture_clear_test.cc
               bpf/passed_test.cc)
target_include_directories(capture_netns_test PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../support)
target_link_libraries(capture_netns_test PRIVATE culvert_capture Catch2::Catch2WithMain)
add_test(NAME netns.capture_netns_test COMMAND capture_netns_test)
set_tests_properties(netns.capture_netns_test PROPERTIES LABELS netns TIMEOUT 900)

# The node's way from a policy set to the kernel's maps, with what random cases need.
add_executable(policy_netns_test bpf/capture_world.cc bpf/capture_sockets.cc
               bpf/policy_kernel_test.cc
               ${CMAKE_SOURCE_DIR}/userspace/node/policy_contents.cc)
target_include_directories(policy_netns_test PRIVATE ${CMAKE_SOURCE_DIR}/userspace)
target_link_libraries(policy_netns_test PRIVATE culvert_test_policy_cases culvert_capture
                      culvert_flags Catch2::Catch2WithMain)
add_test(NAME netns.policy_netns_test COMMAND policy_netns_test)
set_tests_properties(netns.policy_netns_test PROPERTIES LABELS netns TIMEOUT 900)
