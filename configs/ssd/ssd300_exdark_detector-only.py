_base_ = ['ssd300_exdark.py', '../_base_/strategies/detector_only.py']
