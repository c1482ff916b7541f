"""Trains AGOD's network (D2SAC) in torch and writes the arrays that the policy ships with.

Run by hand, with the extra `train`: python -m perllm.experiments.training --help
"""
