# SPDX-License-Identifier: Apache-2.0
culvert_unit_test(source_test
  SOURCES unit/source_errors_test.cc unit/source_mesh_test.cc
          unit/source_peer_authentication_invalid_test.cc unit/source_peer_authentication_test.cc
          unit/source_policy_invalid_test.cc unit/source_policy_language_test.cc
          unit/source_policy_test.cc unit/source_probes_test.cc unit/source_services_test.cc
          unit/source_watch_test.cc
  USES source)
