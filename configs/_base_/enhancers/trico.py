# TriCo from its initialisation, at the size of the picture and without a semantic prior, which needs no file. To
# enlarge, and for the published network, name the scale and MobileSAM's weights; boxes, masks and maps follow:
# enhancer = dict(type='llv.TriCo', scale=2, prior=dict(type='sam', weights='mobile_sam.pt'))
enhancer = dict(type='llv.TriCo', scale=1)
